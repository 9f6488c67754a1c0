#!/usr/bin/env bash
# Usage: deploy/deploy.sh [ROLE_ARN]
#
# Puts the image that build_and_push.sh pushed, and the model that upload_model.sh uploaded, behind a SageMaker endpoint
# and waits until it answers. An endpoint that is there is updated in place, without downtime; where nothing has
# changed nothing is done. When it fails, what ran before runs on and what this run made is removed.
#
#   ROLE_ARN   the role SageMaker takes on; without it, the one of deploy/settings.sh
#
# Prints the endpoint's name. It bills until deploy/delete.sh. Settings: deploy/settings.sh. Needs the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

# --- what is deployed -------------------------------------------------------------------------------------------------
require_role() {
  local form='^arn:aws[a-z-]*:iam::[0-9]{12}:role/([^[:space:]/]+/)*[A-Za-z0-9+=,.@_-]{1,64}$'
  [ -n "$ROLE_ARN" ] || fail 'There is no role for SageMaker to take on.' \
    "Name one: $(typed deploy/deploy.sh) arn:aws:iam::ACCOUNT:role/NAME, or ROLE_ARN in $(typed deploy/settings.sh)"
  [[ $ROLE_ARN =~ $form ]] || fail "This is not the ARN of a role: $ROLE_ARN" 'One is arn:aws:iam::ACCOUNT:role/NAME'
}

# require_image: IMAGE_URI by digest, after a look whether it is there and for this instance type
require_image() {
  local form='^([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?/([^:@]+)(:([^@]+)|@(sha256:[0-9a-f]{64}))$'
  local architecture=${PLATFORM#*/} id found digest tagged
  IMAGE_URI=${IMAGE_URI:-$(recall "image-$architecture")}
  [ -n "$IMAGE_URI" ] || fail "No image for $INSTANCE_TYPE ($PLATFORM) was pushed to $AWS_REGION yet." \
    "First: INSTANCE_TYPE=$INSTANCE_TYPE $(typed deploy/build_and_push.sh)"
  # Other registries, and repositories of other accounts, are SageMaker's to judge.
  [[ $IMAGE_URI =~ $form && ${BASH_REMATCH[1]} = "$ACCOUNT" ]] || return 0
  [ "${BASH_REMATCH[2]}" = "$AWS_REGION" ] \
    || fail "The image is in ${BASH_REMATCH[2]}, the endpoint would be in $AWS_REGION: $IMAGE_URI" \
      "Push it there: AWS_REGION=$AWS_REGION $(typed deploy/build_and_push.sh)"
  id=imageTag=${BASH_REMATCH[6]}
  [ -z "${BASH_REMATCH[7]}" ] || id=imageDigest=${BASH_REMATCH[7]}
  found=$(ask ecr describe-images --repository-name "${BASH_REMATCH[4]}" --image-ids "$id" \
    --query "imageDetails[0].[imageDigest,join(',',imageTags||\`[]\`)]")
  [ -n "$found" ] || fail "There is no such image: $IMAGE_URI" "Push it: $(typed deploy/build_and_push.sh)"
  IFS=$'\t' read -r digest tagged <<<"$found"
  IMAGE_URI=${IMAGE_URI%%[:@]*}@$digest
  case $architecture,$tagged in
    amd64,*arm64-* | arm64,*amd64-*)
      fail "$INSTANCE_TYPE needs an image for $PLATFORM, but this one is tagged $tagged: $IMAGE_URI" \
        "Build the right one: INSTANCE_TYPE=$INSTANCE_TYPE $(typed deploy/build_and_push.sh)"
      ;;
  esac
}

require_model_data() {
  local form='^s3://([^/]+)/(.+\.tar\.gz)$' size
  [ "$MODEL_DELIVERY" = s3 ] || { MODEL_DATA='' && return; }
  MODEL_DATA=${MODEL_DATA:-$(recall model)}
  [ -n "$MODEL_DATA" ] || fail "No model was uploaded to $AWS_REGION yet." "First: $(typed deploy/upload_model.sh)"
  [[ $MODEL_DATA =~ $form ]] || fail "MODEL_DATA has to be s3://BUCKET/…/NAME.tar.gz, and is $MODEL_DATA" \
    "Leave it empty and run $(typed deploy/upload_model.sh)"
  size=$(ask s3api head-object --bucket "${BASH_REMATCH[1]}" --key "${BASH_REMATCH[2]}" --query ContentLength)
  [ -n "$size" ] || fail "There is no such model: $MODEL_DATA" "Upload it: $(typed deploy/upload_model.sh)"
}

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1; }

# The model and the configuration are named by what they hold: what did not change has its name already.
name_deployment() {
  local hash
  hash=$(printf '%s\n' "$ENDPOINT_NAME" "$ROLE_ARN" "$(container)" "$(variants)" | sha256)
  printf '%s-%s' "$STEM" "${hash:0:10}"
}

quote() { # quote TEXT: as a JSON string
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}
container() {
  printf '{"Image": %s' "$(quote "$IMAGE_URI")"
  [ -z "$MODEL_DATA" ] || printf ', "ModelDataUrl": %s' "$(quote "$MODEL_DATA")"
  printf '}'
}
variants() { # variants [MODEL-NAME]
  printf '[{"VariantName": "AllTraffic", "ModelName": %s, "InstanceType": %s, "InitialInstanceCount": %s, %s' \
    "$(quote "${1:-}")" "$(quote "$INSTANCE_TYPE")" "$INSTANCE_COUNT" \
    "\"ContainerStartupHealthCheckTimeoutInSeconds\": $STARTUP_SECONDS"
  [ -z "${INFERENCE_AMI_VERSION:-}" ] || printf ', "InferenceAmiVersion": %s' "$(quote "$INFERENCE_AMI_VERSION")"
  printf '}]'
}

# --- deploying --------------------------------------------------------------------------------------------------------
make_model_and_config() {
  local found
  found=$(ask sagemaker describe-model --model-name "$name" --query ModelName)
  [ -n "$found" ] || call sagemaker create-model --model-name "$name" --execution-role-arn "$ROLE_ARN" \
    --primary-container "$(container)" --tags "${TAGS[@]}" >/dev/null
  found=$(ask sagemaker describe-endpoint-config --endpoint-config-name "$name" --query EndpointConfigName)
  [ -n "$found" ] || call sagemaker create-endpoint-config --endpoint-config-name "$name" \
    --production-variants "$(variants "$name")" --tags "${TAGS[@]}" >/dev/null
}

# What was there before, known by its configuration, stays; an endpoint that still changes is not touched.
take_back() {
  look
  if changes; then
    say "$ENDPOINT_NAME is still $STATUS: $(typed deploy/deploy.sh) goes on, $(typed deploy/delete.sh) removes it."
    return
  fi
  if [ -z "$before" ] && [ "$CONFIG" = "$name" ]; then
    call sagemaker delete-endpoint --endpoint-name "$ENDPOINT_NAME"
    settle
  fi
  [ "$CONFIG" != "$name" ] || return 0
  aws sagemaker delete-endpoint-config --endpoint-config-name "$name" 2>/dev/null || true
  aws sagemaker delete-model --model-name "$name" 2>/dev/null || true
  say 'What this run made is removed.'
}

# Of the newest container since this run began (AWS's clock and this one may differ by a minute).
show_log() {
  local group=/aws/sagemaker/Endpoints/$ENDPOINT_NAME stream
  stream=$(aws logs describe-log-streams --log-group-name "$group" --order-by LastEventTime --descending \
    --no-paginate --query "sort_by(logStreams[?creationTime>=\`$began\`],&creationTime)[-1].logStreamName" \
    --output text 2>/dev/null) || return 0
  [ "$stream" != None ] || return 0
  say "The container's last lines ($group):"
  aws logs get-log-events --log-group-name "$group" --log-stream-name "$stream" --limit 20 \
    --query 'events[].[message]' --output text 2>/dev/null | sed 's/^/  | /' >&2 || true
}

failed() {
  case $REASON in '' | None) REASON='SageMaker gives no reason.' ;; esac
  show_log
  [[ -z $before || $STATUS != InService ]] || say 'What ran before runs on, unchanged.'
  fail "$ENDPOINT_NAME was not deployed: $REASON" "Remedy that and run $(typed deploy/deploy.sh) again."
}

# require_endpoint: what is there may be this project's or nothing, and ready to be changed; CONFIG is then what runs
require_endpoint() {
  settle
  [ -n "$STATUS" ] || return 0
  is_ours "$ARN" || fail "There is an endpoint $ENDPOINT_NAME in $AWS_REGION that this script did not make." \
    'Name another in ENDPOINT_NAME.'
  [ "$STATUS" != InService ] || return 0
  say "$ENDPOINT_NAME is $STATUS, which cannot be updated: removing it first."
  call sagemaker delete-endpoint --endpoint-name "$ENDPOINT_NAME"
  settle
}

deploy() {
  say "Cost: $INSTANCE_COUNT x $INSTANCE_TYPE in $AWS_REGION bills until you run $(typed deploy/delete.sh);" \
    'prices: https://aws.amazon.com/sagemaker/pricing/'
  on_failure take_back
  make_model_and_config
  if [ -z "$before" ]; then
    call sagemaker create-endpoint --endpoint-name "$ENDPOINT_NAME" --endpoint-config-name "$name" \
      --tags "${TAGS[@]}" >/dev/null
  else
    call sagemaker update-endpoint --endpoint-name "$ENDPOINT_NAME" --endpoint-config-name "$name" >/dev/null
  fi
  settle
  [[ $STATUS == InService && $CONFIG == "$name" ]] || failed
  on_failure :
  (remove_made "$name") || say "What ran before is not all removed; $(typed deploy/delete.sh) does it."
}

[ $# -le 1 ] || misuse "deploy.sh takes one argument, ROLE_ARN: $*"
ROLE_ARN=${1:-$ROLE_ARN}
require_role
sign_in
require_image
require_model_data
began=$(($(date +%s) - 60))000
require_endpoint
before=$CONFIG
name=$(name_deployment)
if [ "$before" = "$name" ]; then
  say "$ENDPOINT_NAME runs exactly this already."
else
  deploy
fi
request=FILE
[ ! -e "$PROJECT_DIR/test/sample_request.json" ] || request=$(typed test/sample_request.json)
say "Next: $(typed deploy/invoke.sh) $request, and when you are done $(typed deploy/delete.sh)"
echo "$ENDPOINT_NAME"
