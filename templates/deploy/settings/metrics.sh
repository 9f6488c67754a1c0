# true: SageMaker reads GET /metrics of each container and publishes it in CloudWatch.
METRICS=${METRICS:-}
