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

content_type() { # content_type FILE
  case $(tr '[:upper:]' '[:lower:]' <<<"$1") in
    *.json) echo application/json ;;
    *.jsonl | *.jsonlines) echo application/jsonlines ;;
    *.csv) echo text/csv ;;
    *.npy) echo application/x-npy ;;
    *.libsvm | *.svmlight) echo text/libsvm ;;
    *) fail "The ending of $1 says no content type." "Give it: $(typed deploy/invoke.sh) FILE CONTENT-TYPE" ;;
  esac
}

[ $# = 1 ] || [ $# = 2 ] || misuse 'invoke.sh takes FILE and perhaps CONTENT-TYPE.'
[ -f "$1" ] && [ -r "$1" ] || fail "There is no file to read at $1" 'Give the path of a request.'
type=${2:-$(content_type "$1")}
sign_in
if ! aws sagemaker-runtime invoke-endpoint --endpoint-name "$ENDPOINT_NAME" --content-type "$type" \
  ${ACCEPT:+--accept "$ACCEPT"} --body "fileb://$1" "$SCRATCH/answer" >/dev/null 2>"$SCRATCH/error"; then
  hint="Is it deployed in $AWS_REGION? $(typed deploy/deploy.sh)"
  ! grep -q '(ModelError)' "$SCRATCH/error" \
    || hint="The container's log is in CloudWatch: /aws/sagemaker/Endpoints/$ENDPOINT_NAME"
  fail "$(grep -v '^$' "$SCRATCH/error")" "$hint"
fi
cat "$SCRATCH/answer"
# An answer ends its line, whatever its last byte.
[ -z "$(tail -c 1 "$SCRATCH/answer")" ] || echo
