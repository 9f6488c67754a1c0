#!/usr/bin/env bash
# Usage: deploy/upload_model.sh
#
# Packs model/ into a model.tar.gz and uploads it to s3://MODEL_BUCKET/PROJECT_NAME/HASH/model.tar.gz, where HASH is
# that of the files: the same files are uploaded once. Dot files stay out, links are refused.
# Without MODEL_BUCKET it is the bucket sagemaker-REGION-ACCOUNT, which is made (encrypted, not public) if missing.
#
# Prints the S3 URI, which deploy.sh then deploys. Settings: deploy/settings.sh. Needs python3 and the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

make_bucket() {
  local place=()
  # The oldest region is named by leaving its name out.
  [ "$AWS_REGION" = us-east-1 ] || place=(--create-bucket-configuration "LocationConstraint=$AWS_REGION")
  say "Making the bucket $bucket in $AWS_REGION, encrypted and closed to the public."
  call s3api create-bucket --bucket "$bucket" ${place[@]+"${place[@]}"} >/dev/null
  on_failure remove_bucket
  call s3api put-public-access-block --bucket "$bucket" --expected-bucket-owner "$ACCOUNT" \
    --public-access-block-configuration \
    BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
  call s3api put-bucket-encryption --bucket "$bucket" --expected-bucket-owner "$ACCOUNT" \
    --server-side-encryption-configuration \
    '{"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}'
}

remove_bucket() { aws s3api delete-bucket --bucket "$bucket" --expected-bucket-owner "$ACCOUNT" 2>/dev/null; }

require_bucket() {
  local region
  bucket=${MODEL_BUCKET:-sagemaker-$AWS_REGION-$ACCOUNT}
  region=$(ask s3api get-bucket-location --bucket "$bucket" --expected-bucket-owner "$ACCOUNT")
  case $region in
    '') make_bucket ;;
    "$AWS_REGION") ;;
    None) [ "$AWS_REGION" = us-east-1 ] || wrong_region us-east-1 ;;
    *) wrong_region "$region" ;;
  esac
}
wrong_region() {
  fail "The bucket $bucket is in $1, but SageMaker reads models from its own region, $AWS_REGION." \
    'Name another bucket in MODEL_BUCKET.'
}

[ $# = 0 ] || misuse "upload_model.sh takes no arguments: $*"
[ "$MODEL_DELIVERY" = s3 ] \
  || fail 'In this project the model is part of the image.' "Nothing to upload; next: $(typed deploy/build_and_push.sh)"
require_model
command -v python3 >/dev/null || fail 'python3 is missing; it packs the model.' 'Install Python 3.8 or newer.'
sign_in
require_bucket

say "Packing $PROJECT_DIR/model"
hash=$(python3 "$DEPLOY_DIR/pack_model.py" "$PROJECT_DIR/model" "$SCRATCH/model.tar.gz")
key=$PROJECT_NAME/$hash/model.tar.gz
size=$(ask s3api head-object --bucket "$bucket" --key "$key" --expected-bucket-owner "$ACCOUNT" --query ContentLength)
if [ -n "$size" ]; then
  say 'These files are uploaded already.'
else
  say "Uploading $(($(wc -c <"$SCRATCH/model.tar.gz"))) bytes to s3://$bucket"
  aws s3 cp --only-show-errors "$SCRATCH/model.tar.gz" "s3://$bucket/$key" >&2
fi
record model "s3://$bucket/$key"
say "Next: $(deployment)"
echo "s3://$bucket/$key"
