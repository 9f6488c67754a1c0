#!/usr/bin/env bash
# Usage: deploy/invoke.sh FILE [CONTENT-TYPE]
#
# Puts FILE into the endpoint's queue as one request and waits for the answer, at most ANSWER_SECONDS.
#
#   CONTENT-TYPE   what is in it; without it, by the ending: .json .jsonl .csv .npy .libsvm
#   ACCEPT         (environment) what the answer should be, such as text/csv
#
# Prints the answer, which also stays in S3. Settings: deploy/settings.sh. Needs the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

# found S3-URI: whether it is there now, then in SCRATCH/answer
found() {
  local place=${1#s3://} size
  size=$(ask s3api head-object --bucket "${place%%/*}" --key "${place#*/}" --query ContentLength) || exit
  [ -n "$size" ] || return 1
  aws s3 cp --only-show-errors "$1" "$SCRATCH/answer" >&2
}

require_request "$@"
sign_in
require_bucket
upload_by_content "$1" async/input
if ! aws sagemaker-runtime invoke-endpoint-async --endpoint-name "$ENDPOINT_NAME" --content-type "$CONTENT_TYPE" \
  ${ACCEPT:+--accept "$ACCEPT"} --input-location "$UPLOADED" --query '[OutputLocation,FailureLocation]' \
  --output text >"$SCRATCH/places" 2>"$SCRATCH/error"; then
  fail "$(grep -v '^$' "$SCRATCH/error")" "Is it deployed in $AWS_REGION? $(deployment)"
fi
read -r output failure <"$SCRATCH/places"
say "In the queue; the answer will be at $output"
began=$SECONDS due=30
until found "$output"; do
  if [ "$failure" != None ] && found "$failure"; then
    fail "$(cat "$SCRATCH/answer")" "The container's log is in CloudWatch: /aws/sagemaker/Endpoints/$ENDPOINT_NAME"
  fi
  waited=$((SECONDS - began))
  [ "$waited" -lt "$ANSWER_SECONDS" ] \
    || fail "No answer within $ANSWER_SECONDS s." "It may come yet: aws s3 cp $output -"
  [ "$waited" -lt "$due" ] || { say "Waiting for the answer ($waited s)" && due=$((waited + 30)); }
  sleep "$POLL_SECONDS"
done
print_answer
