#!/usr/bin/env bash
# Usage: deploy/upload_model.sh [FOLDER]
#
# Copies the files of a language model, as they are, to s3://S3_BUCKET/PROJECT_NAME/model/HASH/, where HASH is that of
# the files: the same files are uploaded once. Dot files stay out. SageMaker then fetches them beside the image.
# Without S3_BUCKET it is the bucket sagemaker-REGION-ACCOUNT, which is made (encrypted, not public) if missing.
#
#   FOLDER   without it, model/; where that is empty, MODEL_ID is fetched from the Hugging Face Hub into it first, by
#            huggingface_hub (pip install huggingface_hub), with the token that it knows or HF_TOKEN
#
# Prints the S3 URI, which is deployed next. Settings: deploy/settings.sh. Needs python3 and the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[ $# -le 1 ] || misuse "upload_model.sh takes one argument, FOLDER: $*"
require_python
if [ $# = 1 ]; then
  [ -d "$1" ] || fail "There is no folder $1." 'Name that of a model, with its config.json.'
  MODEL_DIR=$(CDPATH='' cd -- "$1" && pwd)
elif [ -n "${MODEL_ID:-}" ]; then
  mkdir -p "$MODEL_DIR"
  python3 "$DEPLOY_DIR/hub.py" "$MODEL_DIR" || exit
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
