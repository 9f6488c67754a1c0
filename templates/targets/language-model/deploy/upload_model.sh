#!/usr/bin/env bash
# Usage: deploy/upload_model.sh [FOLDER]
#
# Copies the files of a language model, as they are, to s3://S3_BUCKET/PROJECT_NAME/model/HASH/, where HASH is that of
# the files: the same files are uploaded once. Dot files stay out. SageMaker then fetches them beside the image.
# Without S3_BUCKET it is the bucket sagemaker-REGION-ACCOUNT, which is made (encrypted, not public) if missing.
#
#   FOLDER   without it, model/; where that is empty, MODEL_ID is fetched from the Hugging Face Hub into it first, with
#            the hf command (pip install huggingface_hub) and the token that it knows
#
# Prints the S3 URI, which deploy.sh then deploys. Settings: deploy/settings.sh. Needs python3 and the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

# fetch_model: MODEL_ID, at its revision, into model/
fetch_model() {
  local revision
  [ -n "${MODEL_ID:-}" ] || return 0
  command -v hf >/dev/null \
    || fail "There is no model in $MODEL_DIR, and no hf command to fetch $MODEL_ID." 'Install it: pip install huggingface_hub'
  revision=$(python3 "$DEPLOY_DIR/hub.py") || exit
  say "Fetching $MODEL_ID at $revision from the Hugging Face Hub"
  hf download "$MODEL_ID" --revision "$revision" --local-dir "$MODEL_DIR" \
    --include '*.json' --include '*.safetensors' --include '*.txt' --include '*.model' --include '*.jinja' >&2 \
    || fail "$MODEL_ID could not be fetched; the reason is above." 'Try again: it goes on where it stopped.'
}

[ $# -le 1 ] || misuse "upload_model.sh takes one argument, FOLDER: $*"
require_python
if [ $# = 1 ]; then
  [ -d "$1" ] || fail "There is no folder $1." 'Name that of a model, with its config.json.'
  MODEL_DIR=$(CDPATH='' cd -- "$1" && pwd)
else
  [ -n "$(model_files -type f)" ] || fetch_model
fi
require_model
hash=$(python3 "$DEPLOY_DIR/model_folder.py" "$MODEL_DIR") || exit
sign_in
require_bucket
place=s3://$S3_BUCKET/$PROJECT_NAME/model/$hash/
say "Copying $MODEL_DIR to $place"
aws s3 sync --only-show-errors --no-follow-symlinks --exclude '.*' --exclude '*/.*' "$MODEL_DIR" "$place" >&2 \
  || fail "$MODEL_DIR could not be uploaded; the reason is above." 'Try again: what is there is not sent again.'
record model "$place"
next=$(deployment)
[ -z "$MODEL_DATA" ] || next="MODEL_DATA=$place $next"
say "Next: $next"
echo "$place"
