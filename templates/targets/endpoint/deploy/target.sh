# shellcheck shell=bash
# shellcheck disable=SC2034  # what is set here is for the scripts that source it
# What scripts that deploy and delete know of endpoints.

DEPLOYMENT=$ENDPOINT_NAME
# Names have 63 characters at most: this, a hyphen and 10 of a hash.
STEM=${ENDPOINT_NAME:0:52}
RESOURCE=endpoint/$ENDPOINT_NAME/variant/AllTraffic

# look: STATUS, CONFIG, ARN and REASON of the endpoint, all empty where there is none
look() {
  local fields='[EndpointStatus,EndpointConfigName,EndpointArn,FailureReason]' answer
  answer=$(ask sagemaker describe-endpoint --endpoint-name "$ENDPOINT_NAME" --query "$fields") || exit
  IFS=$'\t' read -r STATUS CONFIG ARN REASON <<<"$answer" || true
}

changes() { case $STATUS in *ing | RollingBack) return 0 ;; *) return 1 ;; esac; }

# settle: look until the endpoint has stopped changing, with a line at every new status and every half minute
settle() {
  local last='' due=0 began=$SECONDS
  while look && changes; do
    if [ "$STATUS" != "$last" ] || [ "$SECONDS" -ge "$due" ]; then
      say "$ENDPOINT_NAME: $STATUS ($((SECONDS - began)) s)"
      last=$STATUS due=$((SECONDS + 30))
    fi
    sleep "$POLL_SECONDS"
  done
}

# remove_endpoint: with what scales it
remove_endpoint() {
  unscale
  say "Removing the endpoint $ENDPOINT_NAME"
  call sagemaker delete-endpoint --endpoint-name "$ENDPOINT_NAME"
  REMOVED=$((REMOVED + 1))
  settle
  [ -z "$STATUS" ] || fail "$ENDPOINT_NAME is $STATUS after it was deleted: $REASON" 'Try again.'
}

# unscale: remove the scaling policies, their alarm, and what they scaled
unscale() {
  local name dimension woken=''
  local scaled=(--service-namespace sagemaker --resource-id "$RESOURCE" --scalable-dimension)
  call application-autoscaling describe-scaling-policies --service-namespace sagemaker --resource-id "$RESOURCE" \
    --query 'ScalingPolicies[].[PolicyName,ScalableDimension]' >"$SCRATCH/policies"
  while read -r name dimension; do
    [ "$name" != wake ] || woken=1
    call application-autoscaling delete-scaling-policy "${scaled[@]}" "$dimension" --policy-name "$name"
    REMOVED=$((REMOVED + 1))
  done <"$SCRATCH/policies"
  if [ -n "$woken" ]; then
    call cloudwatch delete-alarms --alarm-names "$ENDPOINT_NAME-wake"
    REMOVED=$((REMOVED + 1))
  fi
  call application-autoscaling describe-scalable-targets --service-namespace sagemaker --resource-ids "$RESOURCE" \
    --query 'ScalableTargets[].[ScalableDimension]' >"$SCRATCH/scaled"
  while read -r dimension; do
    call application-autoscaling deregister-scalable-target "${scaled[@]}" "$dimension"
  done <"$SCRATCH/scaled"
}

# remove_deployment: all that was deployed
remove_deployment() {
  settle
  if [ -n "$STATUS" ]; then
    is_ours "$ARN" || { say "The endpoint $ENDPOINT_NAME is not this project's own: it stays." && return; }
    remove_endpoint
  fi
  remove_kind endpoint-config EndpointConfig
  remove_kind model Model
}
