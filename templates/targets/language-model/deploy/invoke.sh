#!/usr/bin/env bash
# Usage: deploy/invoke.sh [--stream] FILE [CONTENT-TYPE]
#
# Sends FILE to the endpoint as one request.
#
#   --stream       prints the text as it is generated; needs python3 and boto3, for the AWS CLI cannot do it
#   CONTENT-TYPE   what is in it; without it, by the ending: .json
#
# Prints the answer. Settings: deploy/settings.sh. Needs the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

stream=''
if [ "${1:-}" = --stream ]; then
  stream=1
  shift
fi
[[ ${1:-} != -* ]] || misuse "invoke.sh takes no option but --stream: $1"
require_request "$@"
if [ -n "$stream" ]; then
  require_python
  python3 "$DEPLOY_DIR/stream.py" "$1"
  exit
fi
sign_in
if ! aws sagemaker-runtime invoke-endpoint --endpoint-name "$ENDPOINT_NAME" --content-type "$CONTENT_TYPE" \
  --body "fileb://$1" "$SCRATCH/answer" >/dev/null 2>"$SCRATCH/error"; then
  hint="Is it deployed in $AWS_REGION? $(deployment)"
  ! grep -q '(ModelError)' "$SCRATCH/error" \
    || hint="The container's log is in CloudWatch: /aws/sagemaker/Endpoints/$ENDPOINT_NAME"
  fail "$(grep -v '^$' "$SCRATCH/error")" "$hint"
fi
print_answer
