# shellcheck shell=bash
# shellcheck disable=SC2034  # what is set here is for the scripts that source it
# What deploy.sh looks at before anything is made: what would fail after minutes fails here at once.

# check_all [ROLE_ARN]: signs in and looks at all of the following
check_all() {
  [ $# -le 1 ] || misuse "deploy.sh takes one argument, ROLE_ARN: $*"
  ROLE_ARN=${1:-$ROLE_ARN}
  require_python
  sign_in
  require_role
  require_image
  require_model_data
  check_role
}

require_role() {
  local form='^arn:aws[a-z-]*:iam::[0-9]{12}:role/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]{1,64}$'
  ROLE_ARN=${ROLE_ARN:-$(recall role)}
  [ -n "$ROLE_ARN" ] || fail 'There is no role for SageMaker to take on.' \
    "Name one: $(typed deploy/deploy.sh) arn:aws:iam::ACCOUNT:role/NAME, or make one: $(typed deploy/iam/create_role.sh)"
  [[ $ROLE_ARN =~ $form ]] || fail "This is not the ARN of a role that SageMaker takes: $ROLE_ARN" \
    'One is arn:aws:iam::ACCOUNT:role/PATH/NAME. Path and name have letters, digits and + = , . @ _ - only.'
}

# require_image: IMAGE_URI by digest, after a look whether it is there and for this architecture
require_image() {
  local form='^([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?/([^:@]+)(:([^@]+)|@(sha256:[0-9a-f]{64}))$'
  local architecture=${PLATFORM#*/} id found digest bytes tagged
  IMAGE_URI=${IMAGE_URI:-$(recall "image-$architecture")}
  [ -n "$IMAGE_URI" ] || fail "No image for $PLATFORM was pushed to $AWS_REGION yet." "First: $(building)"
  # Other registries, and repositories of other accounts, are SageMaker's to judge.
  [[ $IMAGE_URI =~ $form && ${BASH_REMATCH[1]} = "$ACCOUNT" ]] || return 0
  [ "${BASH_REMATCH[2]}" = "$AWS_REGION" ] \
    || fail "The image is in ${BASH_REMATCH[2]}, what runs it would be in $AWS_REGION: $IMAGE_URI" \
      "Push it there: AWS_REGION=$AWS_REGION $(building)"
  REPOSITORY_NAME=${BASH_REMATCH[4]}
  id=imageTag=${BASH_REMATCH[6]}
  [ -z "${BASH_REMATCH[7]}" ] || id=imageDigest=${BASH_REMATCH[7]}
  found=$(ask ecr describe-images --repository-name "$REPOSITORY_NAME" --image-ids "$id" \
    --query "imageDetails[0].[imageDigest,imageSizeInBytes,join(',',imageTags||\`[]\`)]")
  [ -n "$found" ] || fail "There is no such image: $IMAGE_URI" "Push it: $(building)"
  IFS=$'\t' read -r digest bytes tagged <<<"$found"
  IMAGE_URI=${IMAGE_URI%%[:@]*}@$digest
  fits_serverless "$bytes"
  case $architecture,$tagged in
    amd64,*arm64-* | arm64,*amd64-*)
      fail "An image for $PLATFORM is needed, but this one is tagged $tagged: $IMAGE_URI" \
        "Build the right one: $(building)"
      ;;
  esac
}

# check_role: whether the role trusts SageMaker and may read image and model, as far as you may ask that
check_role() {
  local partition trust rest model
  [[ $ROLE_ARN = *":$ACCOUNT:"* ]] || return 0
  trust=$(aws iam get-role --role-name "${ROLE_ARN##*/}" --query Role.AssumeRolePolicyDocument --output json \
    2>"$SCRATCH/error") || { unchecked && return; }
  [[ $trust = *sagemaker.amazonaws.com* ]] \
    || fail "SageMaker may not take on $ROLE_ARN: its trust policy does not name sagemaker.amazonaws.com." \
      "Take another role; $(typed deploy/iam/create_role.sh) makes one."
  IFS=: read -r _ partition rest <<<"$ROLE_ARN"
  model=${MODEL_DATA#s3://}
  [ -z "$model" ] || may s3:GetObject "arn:$partition:s3:::${model/%\///x.tar.gz}" || return 0
  [ -z "${REPOSITORY_NAME:-}" ] \
    || may ecr:BatchGetImage "arn:$partition:ecr:$AWS_REGION:$ACCOUNT:repository/$REPOSITORY_NAME" || return 0
  may logs:PutLogEvents "arn:$partition:logs:$AWS_REGION:$ACCOUNT:log-group:/aws/sagemaker/x:log-stream:x" || return 0
}

may() { # may ACTION RESOURCE: not zero where that could not be asked
  local decision
  # One try: it is not worth waiting for.
  decision=$(AWS_MAX_ATTEMPTS=1 aws iam simulate-principal-policy --policy-source-arn "$ROLE_ARN" --action-names "$1" \
    --resource-arns "$2" --query 'EvaluationResults[0].EvalDecision' --output text 2>"$SCRATCH/error") \
    || { unchecked && return 1; }
  [ "$decision" = allowed ] || fail "The role $ROLE_ARN may not do what SageMaker needs: $1 on $2" \
    "Allow it; $(typed deploy/iam/execution-role.json) has the whole policy, $(typed deploy/iam/create_role.sh) makes such a role."
}

unchecked() { say "What the role may do is not checked: $(grep -v '^$' "$SCRATCH/error" | head -n 1)"; }
