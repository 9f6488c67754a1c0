#!/usr/bin/env bash
# Usage: deploy/delete.sh [--all]
#
# Removes all that was deployed, as far as the project made it, and nothing else.
#
#   --all   also the project's images with their ECR repository, its uploaded files, and the role of create_role.sh
#
# Prints how many things it removed: 0 if there is nothing left. Settings: deploy/settings.sh. Needs the AWS CLI.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=/dev/null
. "$DEPLOY_DIR/target.sh"

# remove_kind KIND FIELD: every model, say, of this deployment; for target.sh
remove_kind() {
  local name arn
  call sagemaker "list-${1}s" --name-contains "$STEM-" --query "${2}s[].[${2}Name,${2}Arn]" >"$SCRATCH/$1"
  while IFS=$'\t' read -r name arn; do
    if ! [[ $name =~ ^$STEM-[0-9a-f]{10}$ ]] || ! is_ours "$arn"; then continue; fi
    call sagemaker "delete-$1" "--$1-name" "$name"
    REMOVED=$((REMOVED + 1))
  done <"$SCRATCH/$1"
}

remove_images() {
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

# Answers, captured requests and whatever else lies in the project's folder stay.
remove_uploads() {
  local key form="^$PROJECT_NAME/(([a-z]+/)*[0-9a-f]{64}/[^/]+$ALSO_UPLOADED)$"
  ask s3api list-objects-v2 --bucket "$S3_BUCKET" --expected-bucket-owner "$ACCOUNT" --prefix "$PROJECT_NAME/" \
    --query 'Contents[].[Key]' >"$SCRATCH/keys"
  while read -r key; do
    [[ $key =~ $form ]] || continue
    say "Removing s3://$S3_BUCKET/$key"
    call s3api delete-object --bucket "$S3_BUCKET" --key "$key" --expected-bucket-owner "$ACCOUNT" >/dev/null
    REMOVED=$((REMOVED + 1))
  done <"$SCRATCH/keys"
}

# As far as you may remove roles; for all others it stays, which is no failure.
remove_role() {
  local made
  if ! made=$(aws iam get-role --role-name "$ROLE_NAME" --query "Role.Tags[?Key=='$OWNER:project'].Value" \
    --output text 2>"$SCRATCH/error"); then
    grep -q NoSuchEntity "$SCRATCH/error" || say "The role $ROLE_NAME, if there is one, stays: $(cat "$SCRATCH/error")"
    return 0
  fi
  [ "$made" = "$PROJECT_NAME" ] || { say "The role $ROLE_NAME is not this project's own: it stays." && return; }
  say "Removing the role $ROLE_NAME"
  aws iam delete-role-policy --role-name "$ROLE_NAME" --policy-name execution 2>"$SCRATCH/error" \
    || grep -q NoSuchEntity "$SCRATCH/error" || { say "It stays: $(cat "$SCRATCH/error")" && return; }
  aws iam delete-role --role-name "$ROLE_NAME" 2>"$SCRATCH/error" \
    || { say "It stays: $(cat "$SCRATCH/error")" && return; }
  REMOVED=$((REMOVED + 1))
}

[ $# = 0 ] || [ "$*" = --all ] || misuse "delete.sh takes no argument but --all: $*"
sign_in
remove_deployment
if [ "${1:-}" = --all ]; then
  remove_images
  remove_uploads
  remove_role
  if [ -e "$DEPLOY_DIR/codebuild.sh" ]; then
    # shellcheck source=/dev/null
    . "$DEPLOY_DIR/codebuild.sh"
    remove_builder
  fi
  forget
fi
say "Removed $REMOVED. Of what was deployed for $PROJECT_NAME in $AWS_REGION nothing is left."
echo "$REMOVED"
