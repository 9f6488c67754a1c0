#!/usr/bin/env bash
# Usage: deploy/deploy.sh [ROLE_ARN]
#
# Puts the image that build_and_push.sh pushed, and the model that upload_model.sh uploaded, behind a SageMaker endpoint
# and waits until it answers. An endpoint that is there is updated in place, without downtime; where nothing has
# changed nothing is done. When it fails, what ran before runs on and what this run made is removed.
#
#   ROLE_ARN   the role SageMaker takes on; without it, the one of deploy/settings.sh or of deploy/iam/create_role.sh
#
# Prints the endpoint's name. It bills until deploy/delete.sh. Settings: deploy/settings.sh.
# Needs the AWS CLI and python3.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=/dev/null
. "$DEPLOY_DIR/target.sh"
# shellcheck source=/dev/null
. "$DEPLOY_DIR/checks.sh"

# What this run has made by now.
MADE=()
# Whether it has changed the endpoint.
PUT=

# require_endpoint: what is there may be this project's or nothing, and ready to be changed; CONFIG is then what runs
require_endpoint() {
  settle
  [ -n "$STATUS" ] || return 0
  is_ours "$ARN" || fail "There is an endpoint $ENDPOINT_NAME in $AWS_REGION that this script did not make." \
    'Name another in ENDPOINT_NAME.'
  [ "$STATUS" != InService ] || return 0
  say "$ENDPOINT_NAME is $STATUS, which cannot be updated: removing it first."
  remove_endpoint
}

# make KIND: the model or the configuration; one that is there has the same content, and stays when this run fails
make() {
  resource "$1" >"$SCRATCH/$1.json"
  if aws sagemaker "create-$1" --cli-input-json "file://$SCRATCH/$1.json" >/dev/null 2>"$SCRATCH/error"; then
    MADE=("$1" ${MADE[@]+"${MADE[@]}"})
  else
    grep -q 'already existing' "$SCRATCH/error" || refused sagemaker "create-$1"
  fi
}

# free_instances: SageMaker does not change the instance type of what is scaled, so that stops until the update is done
free_instances() {
  local type
  type=$(call sagemaker describe-endpoint-config --endpoint-config-name "$before" \
    --query 'ProductionVariants[0].InstanceType')
  [ "$type" = "${INSTANCE_TYPE:-None}" ] || unscale
}

put_endpoint() {
  if [ -z "$before" ]; then
    request endpoint sagemaker create-endpoint >/dev/null
  else
    free_instances
    call sagemaker update-endpoint --endpoint-name "$ENDPOINT_NAME" --endpoint-config-name "$name" \
      ${scales:+--retain-all-variant-properties} >/dev/null
  fi
  PUT=1
  settle
  [[ $STATUS == InService && $CONFIG == "$name" ]] || failed
}

# scale: as the settings say; what scaled it before and is not asked for any more is taken away
scale() {
  local service command json arn=''
  if [ -z "$scales" ]; then
    [ -z "$before" ] || unscale
    return
  fi
  while read -r service command json; do
    arn=$(call "$service" "$command" --cli-input-json "${json//POLICY_ARN/$arn}" --query PolicyARN)
  done <"$SCRATCH/scaling"
}

# What was there before, known by its configuration, comes back; an endpoint that still changes is not touched.
take_back() {
  local kind
  look
  if [ -n "$PUT" ] && changes; then
    say "$ENDPOINT_NAME is still $STATUS: $(typed deploy/deploy.sh) goes on, $(typed deploy/delete.sh) removes it."
    return
  fi
  if [[ -n $PUT && $CONFIG == "$name" ]]; then
    if [ -z "$before" ]; then
      remove_endpoint
    elif [ "$before" != "$name" ]; then
      say "Going back to what ran before."
      call sagemaker update-endpoint --endpoint-name "$ENDPOINT_NAME" --endpoint-config-name "$before" >/dev/null
      settle
    fi
  fi
  [ "$CONFIG" != "$name" ] || return 0
  for kind in ${MADE[@]+"${MADE[@]}"}; do
    call sagemaker "delete-$kind" "--$kind-name" "$name"
  done
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

deploy() {
  say "Cost: $(resource cost) until you run $(typed deploy/delete.sh). Prices:" \
    'https://aws.amazon.com/sagemaker/pricing/; what you paid: https://console.aws.amazon.com/costmanagement/'
  on_failure take_back
  make model
  make endpoint-config
  put_endpoint
  scale
  on_failure :
  [ -z "$before" ] || (remove_before) || say "What ran before is not all removed; $(typed deploy/delete.sh) does it."
}

remove_before() {
  call sagemaker delete-endpoint-config --endpoint-config-name "$before"
  call sagemaker delete-model --model-name "$before"
}

check_all "$@"
began=$(($(date +%s) - 60))000
name=$(resource name)
resource scaling >"$SCRATCH/scaling"
scales=$(cat "$SCRATCH/scaling")
require_endpoint
before=$CONFIG
if [ "$before" = "$name" ]; then
  say "$ENDPOINT_NAME runs exactly this already."
  scale
else
  deploy
fi
record role "$ROLE_ARN"
say "Next: $(asking), and when you are done $(typed deploy/delete.sh)"
echo "$ENDPOINT_NAME"
