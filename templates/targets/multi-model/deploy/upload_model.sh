#!/usr/bin/env bash
# Usage: deploy/upload_model.sh NAME
#
# Packs model/NAME/, or all of model/ where files lie directly in it, and uploads it as the model NAME, which an endpoint
# then answers for without a new deployment. Several models have a folder each. It goes to NAME.tar.gz in MODEL_DATA, by
# default s3://S3_BUCKET/PROJECT_NAME/models/. Dot files stay out, links are refused.
# Without S3_BUCKET it is the bucket sagemaker-REGION-ACCOUNT, which is made (encrypted, not public) if missing.
#
#   NAME   letters, digits and . _ - after a letter or a digit
#
# A model is not replaced by another of its name, for endpoints go on with what they have loaded.
#
# Prints the S3 URI. Settings: deploy/settings.sh. Needs python3 and the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=/dev/null
. "$DEPLOY_DIR/target.sh"

# find_folder: MODEL_DIR, that of the model NAME
find_folder() {
  local folders
  if [ -d "$MODEL_DIR/$name" ]; then
    MODEL_DIR=$MODEL_DIR/$name
    return
  fi
  [ -z "$(model_files -maxdepth 1 ! -type d)" ] || return 0
  folders=$(model_files -mindepth 1 -maxdepth 1 -type d | sed 's|^\./||' | tr '\n' ' ')
  [ -z "$folders" ] || fail "There is no folder $MODEL_DIR/$name; there are: ${folders% }" \
    "Name one of them: $(typed deploy/upload_model.sh) ${folders%% *}"
}

# another_name: the command that uploads these files under another name
another_name() {
  [ "$MODEL_DIR" = "$PROJECT_DIR/model" ] || printf 'mv %s %s && ' "$(typed "model/$name")" "$(typed "model/$name-2")"
  printf '%s %s' "$(typed deploy/upload_model.sh)" "$name-2"
}

[ $# = 1 ] || misuse "upload_model.sh takes the model's NAME, such as: $(typed deploy/upload_model.sh) first"
name=${1%.tar.gz}
[[ $name =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] \
  || fail "This cannot be the name of a model: $name" 'Take letters, digits and . _ - after a letter or a digit.'
find_folder
require_model
require_python
sign_in
place=$(resource model-url)$name.tar.gz
key=${place#s3://*/}
bucket=${place%"/$key"}
bucket=${bucket#s3://}
# Sources: the lengths of keys in S3 and of TargetModel.
[ ${#key} -le 1024 ] || fail "The name is too long: $place" 'A key in S3 has 1024 characters at most.'
[ "$bucket" != "$S3_BUCKET" ] || require_bucket
S3_BUCKET=$bucket

say "Packing $MODEL_DIR"
hash=$(python3 "$DEPLOY_DIR/model_archive.py" "$MODEL_DIR" "$SCRATCH/model.tar.gz")
# Of an object that was not uploaded by this script it is None.
found=$(ask s3api head-object --bucket "$S3_BUCKET" --key "$key" --query Metadata.sha256)
case $found in
  '') upload "$SCRATCH/model.tar.gz" "$key" --metadata "sha256=$hash" ;;
  "$hash") say 'These files are uploaded already.' ;;
  *)
    fail "There is another model $name: $place" \
      "Endpoints that have loaded it would go on with it. Give this one a new name: $(another_name)"
    ;;
esac
record target "$name"
next=$({ look && [ "$STATUS" = InService ] && asking; } 2>/dev/null) || next=$(deployment)
say "Next: $next"
echo "$place"
