#!/usr/bin/env bash
# Usage: deploy/invoke.sh FILE [CONTENT-TYPE]
#
# Predicts FILE in a job of its own, as deploy.sh does, and prints the predictions.
#
#   CONTENT-TYPE   what is in it; without it, by the ending: .jsonl .csv .json .npy .libsvm
#
# A file that is not made of lines is one request. Settings: deploy/settings.sh. Needs the AWS CLI and python3.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

require_request "$@"
sign_in
case $CONTENT_TYPE in
  text/* | application/jsonlines) ;;
  *) export BATCH_SPLIT=None BATCH_ASSEMBLE=None ;;
esac
# What the answers are made of follows the request, where the settings say nothing else.
BATCH_INPUT=$1 BATCH_CONTENT_TYPE=$CONTENT_TYPE "$DEPLOY_DIR/deploy.sh" >/dev/null
aws s3 cp --only-show-errors "$(recall output)/$(basename -- "$1" | tr -c '[:alnum:]._\n-' _).out" "$SCRATCH/answer" >&2
print_answer
