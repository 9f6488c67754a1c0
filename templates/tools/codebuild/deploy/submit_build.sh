#!/usr/bin/env bash
# Usage: deploy/submit_build.sh [train]
#
# Builds the image, or the training image, in AWS CodeBuild, on a machine of the architecture it will run on, and pushes
# it to the project's own repository in Amazon ECR, which is made if missing; so are the CodeBuild project PROJECT_NAME
# and a role for it.
# What the image is made of goes to s3://S3_BUCKET/PROJECT_NAME/build/HASH/source.zip, and the settings with it: keep
# secrets out of them. The log is shown as it comes; Ctrl-C stops the build.
#
#   DOCKER_BUILD_OPTS   more options of docker buildx build, such as --no-cache
#
# Prints the image's name with its digest, which is deployed next. Settings: deploy/settings.sh.
# Needs the AWS CLI and python3, and no Docker.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=/dev/null
. "$DEPLOY_DIR/codebuild.sh"

# How far the log is shown, and whether it was said that it cannot be.
POSITION=
UNREADABLE=

upload_source() {
  local hash key size
  say "Packing $PROJECT_DIR"
  hash=$(prepared pack "$SCRATCH/source.zip")
  key=$PROJECT_NAME/build/$hash/source.zip
  size=$(ask s3api head-object --bucket "$S3_BUCKET" --key "$key" --expected-bucket-owner "$ACCOUNT" \
    --query ContentLength)
  if [ -n "$size" ]; then say 'This source is uploaded already.'; else upload "$SCRATCH/source.zip" "$key"; fi
  export BUILD_SOURCE=$S3_BUCKET/$key
}

start() {
  prepared build >"$SCRATCH/build.json"
  BUILD=$(call codebuild start-build --cli-input-json "file://$SCRATCH/build.json" --query build.id)
  say "Cost: $BUILD_COMPUTE for $PLATFORM in $AWS_REGION bills by the minute until the build's end, at most 60. Prices:" \
    'https://aws.amazon.com/codebuild/pricing/; what you paid: https://console.aws.amazon.com/costmanagement/'
}

# look: STATUS and PHASE of the build, and GROUP, STREAM and LINK of its log
look() {
  local answer fields='buildStatus,currentPhase,logs.groupName,logs.streamName,logs.deepLink'
  answer=$(call codebuild batch-get-builds --ids "$BUILD" --query "builds[0].[$fields]") || exit
  IFS=$'\t' read -r STATUS PHASE GROUP STREAM LINK <<<"$answer"
}

# show_log: the lines that came since the last time, but for the next step, which is another there
show_log() {
  local before
  case $STREAM in '' | None) return ;; esac
  while :; do
    before=$POSITION
    aws logs get-log-events --log-group-name "$GROUP" --log-stream-name "$STREAM" --start-from-head \
      ${POSITION:+--next-token "$POSITION"} --query '[[nextForwardToken],events[].[message]]' --output text \
      >"$SCRATCH/log" 2>"$SCRATCH/error" || { no_log && return; }
    POSITION=$(head -n 1 "$SCRATCH/log")
    sed -e 1d -e '/^[[:space:]]*$/d' -e '/^Next: /d' -e 's/^/  | /' "$SCRATCH/log" >&2
    [ "$POSITION" != "$before" ] || return 0
  done
}
no_log() {
  grep -q ResourceNotFound "$SCRATCH/error" && return # not begun
  [ -n "$UNREADABLE" ] || say "The log is not shown here: $(grep -v '^$' "$SCRATCH/error")"
  UNREADABLE=1
}

# follow: to the end, with a line at every new phase and every half minute
follow() {
  local last='' due=0 began=$SECONDS
  while look; do
    if [ "$PHASE" != "$last" ] || [ "$SECONDS" -ge "$due" ]; then
      say "$BUILD: $PHASE ($((SECONDS - began)) s)"
      last=$PHASE due=$((SECONDS + 30))
    fi
    show_log
    [ "$STATUS" = IN_PROGRESS ] || break
    sleep "$POLL_SECONDS"
  done
  # The last lines may come after the end.
  sleep "$POLL_SECONDS"
  show_log
}

stop_build() {
  say "Stopping the build $BUILD"
  aws codebuild stop-build --id "$BUILD" >/dev/null 2>"$SCRATCH/error" \
    || say "It goes on: $(grep -v '^$' "$SCRATCH/error")"
  "$made"
}

failed() {
  local why fields='[phaseType,contexts[0].statusCode,contexts[0].message]'
  why=$(call codebuild batch-get-builds --ids "$BUILD" \
    --query "builds[0].phases[?phaseStatus && phaseStatus!='SUCCEEDED'].$fields")
  fail "The build is $STATUS. ${why//$'\t'/: }" \
    "Its log is above, and at $LINK. Remedy that and run $(typed deploy/submit_build.sh) again."
}

BUILD_SCRIPT=deploy/build_and_push.sh
if [ "$*" = train ] && [ -d "$PROJECT_DIR/train" ]; then
  BUILD_SCRIPT=train/build_and_push.sh PLATFORM=linux/amd64
else
  [ $# = 0 ] || misuse "submit_build.sh takes no argument but train, where there is train/: $*"
  [ "$MODEL_DELIVERY" = s3 ] || require_model
fi
export BUILD_SCRIPT PLATFORM
require_python
prepared project >/dev/null # the settings are good, or it says what is not
sign_in
require_bucket
upload_source
require_build_role
require_build_project
on_failure :
require_repository
# What start does not finish is taken back: the build, and a repository that was made for it.
made=$UNDO
start
on_failure stop_build
follow
on_failure "$made"
[ "$STATUS" = SUCCEEDED ] || failed
image=$(call codebuild batch-get-builds --ids "$BUILD" \
  --query "builds[0].exportedEnvironmentVariables[?name=='IMAGE'].value")
[[ $image = "$REPOSITORY@sha256:"* ]] \
  || fail "The build did not say which image it pushed: ${image:-nothing}" "Its log is above, and at $LINK"
if [ "$BUILD_SCRIPT" = deploy/build_and_push.sh ]; then
  record "image-${PLATFORM#*/}" "$image"
  next=$(uploading)
  say "Next: ${next:-$(deployment)}"
else
  record train-image "$image"
  say "Next: python3 $(typed train/fit.py) TRAIN.csv"
fi
echo "$image"
