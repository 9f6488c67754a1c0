# shellcheck shell=bash
# shellcheck disable=SC2034  # what is set here is for the scripts that source it
# What submit_build.sh and delete.sh know of AWS CodeBuild: a project there, of the same name as this one, and its role.

BUILD_ROLE=$PROJECT_NAME-$AWS_REGION-build

# prepared WHAT ARGUMENT…: what codebuild.py says
prepared() { PYTHONDONTWRITEBYTECODE=1 python3 "$DEPLOY_DIR/codebuild.py" "$@"; }

# filled FILE: an IAM document of deploy/iam, for this account and project
filled() {
  ACCOUNT=$ACCOUNT PYTHONDONTWRITEBYTECODE=1 python3 "$DEPLOY_DIR/iam/fill.py" "$DEPLOY_DIR/iam/$1"
}

# find_role, find_project: what it is called, and the project that its tags name; nothing where there is none
find_role() {
  ask iam get-role --role-name "$BUILD_ROLE" --query "Role.[Arn, Tags[?Key=='$OWNER:project']|[0].Value]"
}
find_project() {
  call codebuild batch-get-projects --names "$PROJECT_NAME" \
    --query "projects[].[name, tags[?key=='$OWNER:project']|[0].value]"
}
is_this() { [ "${1#*$'\t'}" = "$PROJECT_NAME" ]; } # is_this FOUND: whether its tags name this project

# --- the role ---------------------------------------------------------------------------------------------------------
# require_build_role: BUILD_ROLE_ARN, what CodeBuild takes on; made if missing, with the rights that one build needs
require_build_role() {
  local found
  if [ -z "$BUILD_ROLE_ARN" ]; then
    found=$(find_role)
    if [ -z "$found" ]; then
      make_build_role
    elif is_this "$found"; then
      BUILD_ROLE_ARN=${found%%$'\t'*}
    else
      fail "There is a role $BUILD_ROLE that this script did not make." 'Name one for CodeBuild in BUILD_ROLE_ARN.'
    fi
    update_build_role
  fi
}

make_build_role() {
  say "Making the role $BUILD_ROLE: CodeBuild may read the source, push to the project's repository and log."
  filled codebuild-trust.json >"$SCRATCH/trust.json"
  BUILD_ROLE_ARN=$(aws iam create-role --role-name "$BUILD_ROLE" --query Role.Arn --output text \
    --description "CodeBuild, for $PROJECT_NAME in $AWS_REGION" --tags "Key=$OWNER:project,Value=$PROJECT_NAME" \
    --assume-role-policy-document "file://$SCRATCH/trust.json" 2>"$SCRATCH/error") \
    || fail "CodeBuild needs a role, which could not be made: $(grep -v '^$' "$SCRATCH/error")" \
      'Have someone who may make roles run this once, or name a role in BUILD_ROLE_ARN.'
  on_failure remove_build_role
}

# update_build_role: its rights are those of codebuild-role.json, for the bucket and the repository of now
update_build_role() {
  local policy=$SCRATCH/policy.json changed
  filled codebuild-role.json >"$policy"
  aws iam get-role-policy --role-name "$BUILD_ROLE" --policy-name build --query PolicyDocument --output json \
    >"$policy.found" 2>"$SCRATCH/error" || echo '{}' >"$policy.found"
  changed=$(prepared differs "$policy.found" "$policy")
  [ -n "$changed" ] || return 0
  call iam put-role-policy --role-name "$BUILD_ROLE" --policy-name build --policy-document "file://$policy"
  # AWS needs some seconds until all of it knows.
  sleep "$POLL_SECONDS"
  sleep "$POLL_SECONDS"
}

remove_build_role() {
  ask iam delete-role-policy --role-name "$BUILD_ROLE" --policy-name build
  call iam delete-role --role-name "$BUILD_ROLE"
}

# --- the project ------------------------------------------------------------------------------------------------------
# require_build_project: it is there, for this platform and with this role
require_build_project() {
  local found wanted=$SCRATCH/project.json
  prepared project >"$wanted"
  found=$(find_project)
  if [ -z "$found" ]; then
    say "Making the CodeBuild project $PROJECT_NAME in $AWS_REGION"
    put_project create-project
  elif is_this "$found"; then
    aws codebuild batch-get-projects --names "$PROJECT_NAME" --query 'projects[0]' --output json >"$wanted.found" \
      2>"$SCRATCH/error" || refused codebuild batch-get-projects
    found=$(prepared differs "$wanted.found" "$wanted")
    [ -n "$found" ] || return 0
    say "Changing the CodeBuild project $PROJECT_NAME: $BUILD_COMPUTE for $PLATFORM"
    put_project update-project
  else
    fail "There is a CodeBuild project $PROJECT_NAME in $AWS_REGION that this script did not make." \
      'Name yours otherwise, in PROJECT_NAME.'
  fi
}

# put_project COMMAND: again and again while CodeBuild does not know yet that it may take on a new role
put_project() {
  local tries=12
  until aws codebuild "$1" --cli-input-json "file://$SCRATCH/project.json" >/dev/null 2>"$SCRATCH/error"; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ] || ! grep -q sts:AssumeRole "$SCRATCH/error"; then refused codebuild "$1"; fi
    sleep "$POLL_SECONDS"
  done
}

# remove_builder: project and role, as far as submit_build.sh made them
remove_builder() {
  local found
  found=$(find_project)
  if [ -n "$found" ] && is_this "$found"; then
    say "Removing the CodeBuild project $PROJECT_NAME"
    call codebuild delete-project --name "$PROJECT_NAME" >/dev/null
    REMOVED=$((REMOVED + 1))
  fi
  found=$(find_role)
  if [ -n "$found" ] && is_this "$found"; then
    say "Removing the role $BUILD_ROLE"
    remove_build_role
    REMOVED=$((REMOVED + 1))
  fi
}
