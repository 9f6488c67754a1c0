# The host of a GPU type. Empty: SageMaker's choice.
case $INSTANCE_TYPE in
  ml.p2.*) ami= ;;
  ml.[gp][0-9]*) ami=al2-ami-sagemaker-batch-gpu-535 ;;
  *) ami= ;;
esac
TRANSFORM_AMI_VERSION=${TRANSFORM_AMI_VERSION-$ami}
