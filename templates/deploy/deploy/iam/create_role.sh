#!/usr/bin/env bash
# Usage: deploy/iam/create_role.sh [--print DOCUMENT]
#
# Makes ROLE_NAME, the role that SageMaker takes on for this project, with the rights that the settings need and no more.
# If it made that role before, it brings it up to date: run it again after a change of the settings.
#
#   --print   makes nothing; prints one of the documents of this folder, filled in for this account:
#             trust and execution-role   of which the role is made
#             deployer and deployer-…    what those who run the other scripts have to be allowed
#             role-maker                 what running this script needs; who may do that can give themselves any right
#
# Prints the role's ARN, which deployments use from then on. Settings: deploy/settings.sh. Needs the AWS CLI and python3.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/../common.sh"

document() { # document NAME: filled in
  ACCOUNT=$ACCOUNT PYTHONDONTWRITEBYTECODE=1 python3 "$DEPLOY_DIR/iam/fill.py" "$DEPLOY_DIR/iam/$1.json"
}

# What to do where AWS refused.
remedy() {
  if grep -qE 'AccessDenied|not authorized' "$SCRATCH/error"; then
    echo "Someone who may make roles can run this for you, or make the role $ROLE_NAME of what these print:" \
      "$(typed deploy/iam/create_role.sh) --print trust; $(typed deploy/iam/create_role.sh) --print execution-role"
  else
    echo "It was the answer to: aws $1 $2"
  fi
}

# find_role: what is called ROLE_NAME may be this project's or nothing; FOUND is its ARN
find_role() {
  local found made
  found=$(ask iam get-role --role-name "$ROLE_NAME" --query "Role.[Arn, Tags[?Key=='$OWNER:project']|[0].Value]")
  IFS=$'\t' read -r FOUND made <<<"$found" || true
  [ -z "$FOUND" ] || [ "$made" = "$PROJECT_NAME" ] \
    || fail "There is a role $ROLE_NAME that this script did not make for $PROJECT_NAME." 'Name another in ROLE_NAME.'
}

make_role() {
  say "Making the role $ROLE_NAME"
  FOUND=$(call iam create-role --role-name "$ROLE_NAME" --description "SageMaker, for $PROJECT_NAME in $AWS_REGION" \
    --assume-role-policy-document "file://$SCRATCH/trust" --tags "Key=$OWNER:project,Value=$PROJECT_NAME" \
    --query Role.Arn)
  on_failure remove_made_role
}
remove_made_role() { aws iam delete-role --role-name "$ROLE_NAME" 2>/dev/null; }

documents=$(cd "$DEPLOY_DIR/iam" && echo *.json)
[ $# = 0 ] || [[ $# = 2 && $1 = --print && " $documents " = *" $2.json "* ]] \
  || misuse "create_role.sh takes nothing, or --print and one of ${documents//.json/}: $*"
[[ $ROLE_NAME =~ ^[A-Za-z0-9+=,.@_-]{1,64}$ ]] || fail "This cannot be the name of a role: $ROLE_NAME" \
  'Name another in ROLE_NAME: at most 64 letters, digits and + = , . @ _ -'
require_python
sign_in
if [ $# = 2 ]; then
  document "$2"
  exit
fi
document trust >"$SCRATCH/trust"
document execution-role >"$SCRATCH/rights"
find_role
if [ -z "$FOUND" ]; then
  make_role
else
  say "Bringing the role $ROLE_NAME up to date"
  call iam update-assume-role-policy --role-name "$ROLE_NAME" --policy-document "file://$SCRATCH/trust"
fi
call iam put-role-policy --role-name "$ROLE_NAME" --policy-name execution --policy-document "file://$SCRATCH/rights"
on_failure :
call iam wait role-exists --role-name "$ROLE_NAME"
record role "$FOUND"
[ -z "$ROLE_ARN" ] || [ "$ROLE_ARN" = "$FOUND" ] || say "The settings name another role, which deployments use: $ROLE_ARN"
next=$(building)
[ -z "$IMAGE_URI$(recall "image-${PLATFORM#*/}")" ] || next=$(deployment)
say "Next: $next"
echo "$FOUND"
