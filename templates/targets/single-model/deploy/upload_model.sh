#!/usr/bin/env bash
# Usage: deploy/upload_model.sh
#
# Packs model/ into a model.tar.gz and uploads it to s3://S3_BUCKET/PROJECT_NAME/HASH/model.tar.gz, where HASH is
# that of the files: the same files are uploaded once. Dot files stay out, links are refused.
# Without S3_BUCKET it is the bucket sagemaker-REGION-ACCOUNT, which is made (encrypted, not public) if missing.
#
# Prints the S3 URI, which is deployed next. Settings: deploy/settings.sh. Needs python3 and the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[ $# = 0 ] || misuse "upload_model.sh takes no arguments: $*"
[ "$MODEL_DELIVERY" = s3 ] \
  || fail 'In this project the model is part of the image.' "Nothing to upload; next: $(building)"
require_model
require_python
sign_in
require_bucket

say "Packing $PROJECT_DIR/model"
hash=$(python3 "$DEPLOY_DIR/model_archive.py" "$PROJECT_DIR/model" "$SCRATCH/model.tar.gz")
key=$PROJECT_NAME/$hash/model.tar.gz
size=$(ask s3api head-object --bucket "$S3_BUCKET" --key "$key" --expected-bucket-owner "$ACCOUNT" --query ContentLength)
if [ -n "$size" ]; then
  say 'These files are uploaded already.'
else
  upload "$SCRATCH/model.tar.gz" "$key"
fi
record model "s3://$S3_BUCKET/$key"
say "Next: $(deployment)"
echo "s3://$S3_BUCKET/$key"
