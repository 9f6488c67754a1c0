#!/usr/bin/env bash
# Usage: deploy/delete.sh [--all]
#
# Removes the endpoint, its configurations and its models, as far as deploy.sh made them, and nothing else.
#
#   --all   also the project's images with their ECR repository, and its uploaded models
#
# Prints how many things it removed: 0 if there is nothing left. Settings: deploy/settings.sh. Needs the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

remove_endpoint() {
  settle
  [ -n "$STATUS" ] || return 0
  is_ours "$ARN" || { say "The endpoint $ENDPOINT_NAME is not this project's own: it stays." && return; }
  say "Removing the endpoint $ENDPOINT_NAME"
  call sagemaker delete-endpoint --endpoint-name "$ENDPOINT_NAME"
  REMOVED=$((REMOVED + 1))
  settle
  [ -z "$STATUS" ] || fail "$ENDPOINT_NAME is $STATUS after it was deleted: $REASON" 'Try again.'
}

remove_repository() {
  local arn made
  arn=$(ask ecr describe-repositories --repository-names "$PROJECT_NAME" --query 'repositories[0].repositoryArn')
  [ -n "$arn" ] || return 0
  made=$(call ecr list-tags-for-resource --resource-arn "$arn" \
    --query "tags[?Key=='$OWNER:project'].Value")
  [ "$made" = "$PROJECT_NAME" ] \
    || { say "The repository $PROJECT_NAME is not this project's own: it stays." && return; }
  say "Removing the repository $PROJECT_NAME and its images"
  call ecr delete-repository --repository-name "$PROJECT_NAME" --force >/dev/null
  REMOVED=$((REMOVED + 1))
}

remove_uploads() {
  local bucket=${MODEL_BUCKET:-sagemaker-$AWS_REGION-$ACCOUNT} key
  ask s3api list-objects-v2 --bucket "$bucket" --expected-bucket-owner "$ACCOUNT" --prefix "$PROJECT_NAME/" \
    --query 'Contents[].[Key]' >"$SCRATCH/keys"
  while read -r key; do
    [[ $key =~ ^$PROJECT_NAME/[0-9a-f]{64}/model\.tar\.gz$ ]] || continue
    say "Removing s3://$bucket/$key"
    call s3api delete-object --bucket "$bucket" --key "$key" --expected-bucket-owner "$ACCOUNT" >/dev/null
    REMOVED=$((REMOVED + 1))
  done <"$SCRATCH/keys"
}

[ $# = 0 ] || [ "$*" = --all ] || misuse "delete.sh takes no argument but --all: $*"
sign_in
remove_endpoint
remove_made ''
if [ "${1:-}" = --all ]; then
  remove_repository
  remove_uploads
  forget
fi
say "Removed $REMOVED. Of what deploy.sh made for $ENDPOINT_NAME in $AWS_REGION nothing is left."
echo "$REMOVED"
