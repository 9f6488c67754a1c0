#!/usr/bin/env bash
# Usage: deploy/invoke.sh FILE [CONTENT-TYPE]
#
# Sends FILE to the endpoint as one request.
#
#   CONTENT-TYPE   what is in it; without it, by the ending: .json .jsonl .csv .npy .libsvm
#   ACCEPT         (environment) what the answer should be, such as text/csv
#
# Prints the answer. Settings: deploy/settings.sh. Needs the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

require_request "$@"
sign_in
if ! aws sagemaker-runtime invoke-endpoint --endpoint-name "$ENDPOINT_NAME" --content-type "$CONTENT_TYPE" \
  ${ACCEPT:+--accept "$ACCEPT"} --body "fileb://$1" "$SCRATCH/answer" >/dev/null 2>"$SCRATCH/error"; then
  hint="Is it deployed in $AWS_REGION? $(deployment)"
  ! grep -q '(ModelError)' "$SCRATCH/error" \
    || hint="The container's log is in CloudWatch: /aws/sagemaker/Endpoints/$ENDPOINT_NAME"
  fail "$(grep -v '^$' "$SCRATCH/error")" "$hint"
fi
print_answer
