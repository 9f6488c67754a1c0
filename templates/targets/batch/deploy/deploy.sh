#!/usr/bin/env bash
# Usage: deploy/deploy.sh [ROLE_ARN]
#
# Predicts all of BATCH_INPUT with the image that build_and_push.sh pushed and the model that upload_model.sh uploaded,
# in a SageMaker batch transform job, waits for its end and says where the predictions are.
#
#   ROLE_ARN   the role SageMaker takes on; without it, the one of deploy/settings.sh or of deploy/iam/create_role.sh
#
# Prints the job's name. Settings: deploy/settings.sh. Needs the AWS CLI and python3.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=/dev/null
. "$DEPLOY_DIR/target.sh"
# shellcheck source=/dev/null
. "$DEPLOY_DIR/checks.sh"

MADE=
STARTED=

# require_input: BATCH_INPUT in S3, uploaded if it is here, and BATCH_CONTENT_TYPE
require_input() {
  local sample=$PROJECT_DIR/test/sample_request.csv
  [ -n "$BATCH_INPUT" ] || [ ! -f "$sample" ] || BATCH_INPUT=$sample
  [ -n "$BATCH_INPUT" ] || fail 'There is nothing to predict.' \
    "Name a file, a folder or a place in S3: BATCH_INPUT=records.csv $(typed deploy/deploy.sh)"
  BATCH_CONTENT_TYPE=${BATCH_CONTENT_TYPE:-$(content_type "$BATCH_INPUT")}
  case $BATCH_INPUT in
    s3://*) require_objects && return ;;
  esac
  [ -e "$BATCH_INPUT" ] || fail "There is no file or folder $BATCH_INPUT" 'Give the path of what is to be predicted.'
  if [ -d "$BATCH_INPUT" ]; then upload_folder; else upload_by_content "$BATCH_INPUT" batch/input; fi
  BATCH_INPUT=$UPLOADED
}

require_objects() {
  local place=${BATCH_INPUT#s3://} bucket prefix key
  bucket=${place%%/*}
  prefix=${place#"$bucket"}
  key=$(ask s3api list-objects-v2 --bucket "$bucket" --prefix "${prefix#/}" --max-items 1 --query 'Contents[0].Key')
  case $key in '' | None*) fail "There is nothing in S3 at $BATCH_INPUT" 'Upload it, or name another place.' ;; esac
}

# A folder goes by the hash of all it holds; dot files stay out.
upload_folder() {
  local folder=$BATCH_INPUT hash
  hash=$(cd "$folder" && find . -type f ! -path '*/.*' -print0 | LC_ALL=C sort -z | xargs -0 cksum | sha256)
  UPLOADED=s3://$S3_BUCKET/$PROJECT_NAME/batch/input/$hash/
  say "Uploading $folder to $UPLOADED"
  aws s3 cp --recursive --only-show-errors --exclude '.*' --exclude '*/.*' "$folder" "$UPLOADED" >&2 \
    || fail "$folder could not be uploaded; the reason is above." 'Try again.'
}

# One that is there has the same content, and stays when this run fails.
make_model() {
  resource model >"$SCRATCH/model.json"
  if aws sagemaker create-model --cli-input-json "file://$SCRATCH/model.json" >/dev/null 2>"$SCRATCH/error"; then
    MADE=1
  else
    grep -q 'already existing' "$SCRATCH/error" || refused sagemaker create-model
  fi
}

# look: STATUS and REASON of the job
look() {
  local answer
  answer=$(call sagemaker describe-transform-job --transform-job-name "$TRANSFORM_JOB" \
    --query '[TransformJobStatus,FailureReason]') || exit
  IFS=$'\t' read -r STATUS REASON <<<"$answer" || true
}

take_back() {
  if [ -n "$STARTED" ]; then
    look
    case $STATUS in
      Completed | Failed | Stopped) ;;
      *)
        say "Stopping $TRANSFORM_JOB"
        aws sagemaker stop-transform-job --transform-job-name "$TRANSFORM_JOB" 2>"$SCRATCH/error" \
          || say "It goes on: $(grep -v '^$' "$SCRATCH/error")"
        return # delete.sh removes the model, which may be in use still
        ;;
    esac
  fi
  [ -n "$MADE" ] || return 0
  call sagemaker delete-model --model-name "$name"
  say 'What this run made is removed.'
}

show_log() {
  local group=/aws/sagemaker/TransformJobs stream
  stream=$(aws logs describe-log-streams --log-group-name "$group" --log-stream-name-prefix "$TRANSFORM_JOB/" \
    --query 'logStreams[0].logStreamName' --output text 2>/dev/null) || return 0
  [ "$stream" != None ] || return 0
  say "The container's last lines ($group, $stream):"
  aws logs get-log-events --log-group-name "$group" --log-stream-name "$stream" --limit 20 \
    --query 'events[].[message]' --output text 2>/dev/null | sed 's/^/  | /' >&2 || true
}

run_job() {
  local last='' due=0 began=$SECONDS
  export TRANSFORM_JOB
  TRANSFORM_JOB=${JOB_NAME:0:40}-$(date -u +%Y%m%d%H%M%S)-$(od -An -N2 -tx1 /dev/urandom | tr -d ' \n')
  request job sagemaker create-transform-job >/dev/null
  STARTED=1
  while look && [[ $STATUS = InProgress || $STATUS = Stopping ]]; do
    if [ "$STATUS" != "$last" ] || [ "$SECONDS" -ge "$due" ]; then
      say "$TRANSFORM_JOB: $STATUS ($((SECONDS - began)) s)"
      last=$STATUS due=$((SECONDS + 30))
    fi
    sleep "$POLL_SECONDS"
  done
  [ "$STATUS" != Completed ] || return 0
  show_log
  case $REASON in '' | None) REASON="it is $STATUS, and SageMaker gives no reason." ;; esac
  fail "$TRANSFORM_JOB failed: $REASON" "Remedy that and run $(typed deploy/deploy.sh) again."
}

check_all "$@"
require_bucket
require_input
name=$(resource name)
say "Cost: $(resource cost) until the job's end. Prices: https://aws.amazon.com/sagemaker/pricing/;" \
  'what you paid: https://console.aws.amazon.com/costmanagement/'
on_failure take_back
make_model
run_job
on_failure :
output=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["TransformOutput"]["S3OutputPath"])' \
  "$SCRATCH/job.json")
record output "$output"
record role "$ROLE_ARN"
say "The predictions are in $output/. Next: aws s3 cp --recursive $(printf %q "$output/") predictions/," \
  "and when you are done $(typed deploy/delete.sh)"
echo "$TRANSFORM_JOB"
