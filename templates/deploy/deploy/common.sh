# shellcheck shell=bash
# shellcheck disable=SC2034  # what is set here is for the scripts that source it
# What the scripts of this folder share; each sources it first. For bash 3.2 or newer and the AWS CLI 1 or 2.

DEPLOY_DIR=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
PROJECT_DIR=${DEPLOY_DIR%/*}
MODEL_DIR=$PROJECT_DIR/model
set -a # resources.py reads them, too
# shellcheck source=/dev/null
. "$DEPLOY_DIR/settings.sh"
set +a

export AWS_DEFAULT_REGION=$AWS_REGION AWS_PAGER=''
export AWS_RETRY_MODE=${AWS_RETRY_MODE:-standard} AWS_MAX_ATTEMPTS=${AWS_MAX_ATTEMPTS:-5}
# pyenv would take the Python of the image from .python-version; these scripts run on the one that is there.
PYENV_VERSION=${PYENV_VERSION:-$(cd / && pyenv version-name 2>/dev/null || true)}
[ -z "$PYENV_VERSION" ] || export PYENV_VERSION
SCRATCH=$(mktemp -d)

# --- messages -------------------------------------------------------------------------------------------------------
say() { printf '%s\n' "$*" >&2; }

# fail WHAT-AND-WHY [WHAT-TO-DO]
fail() {
  say "ERROR: $1"
  [ $# -lt 2 ] || say "$2"
  exit 1
}

misuse() {
  say "ERROR: $1"
  say "Try: $(typed "$SCRIPT") --help"
  exit 2
}

# This script as seen from the project's folder: deploy/invoke.sh, deploy/iam/create_role.sh
SCRIPT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/${0##*/}
SCRIPT=${SCRIPT#"$PROJECT_DIR"/}

# typed FILE: a file of the project as the caller of this script can type it
typed() {
  local folders
  case /$0 in
    */"$SCRIPT") printf '%q' "${0%"$SCRIPT"}$1" ;;
    *) # called from a folder of the project
      IFS=/ read -r -a folders <<<"${PWD#"$PROJECT_DIR"/}"
      printf '../%.0s' "${folders[@]}"
      printf '%q' "$1"
      ;;
  esac
}

# building: the command that builds an image for this instance type, as the caller can type it
building() {
  [ -z "${INSTANCE_TYPE:-}" ] || printf 'INSTANCE_TYPE=%q ' "$INSTANCE_TYPE"
  if [ -e "$DEPLOY_DIR/submit_build.sh" ]; then typed deploy/submit_build.sh; else typed deploy/build_and_push.sh; fi
}

# deployment: the command that deploys, as the caller can type it
deployment() {
  if [ ! -e "$DEPLOY_DIR/deploy.sh" ] && [ ! -e "$DEPLOY_DIR/deploy.py" ]; then
    printf '(cd %s && cdk deploy)' "$(typed deploy/cdk)"
    return
  fi
  [ -n "$ROLE_ARN$(recall role)" ] || printf '%s && ' "$(typed deploy/iam/create_role.sh)"
  if [ -e "$DEPLOY_DIR/deploy.sh" ]; then typed deploy/deploy.sh; else printf 'python3 %s deploy' "$(typed deploy/deploy.py)"; fi
}

# sample_request: a file to send, as the caller can type it
sample_request() { if [ -e "$PROJECT_DIR/test/sample_request.json" ]; then typed test/sample_request.json; else echo FILE; fi; }

# The comment at the top of a script is its help.
case " $* " in
  *' --help '* | *' -h '*)
    rm -rf "$SCRATCH"
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

# --- the end --------------------------------------------------------------------------------------------------------
UNDO=:
on_failure() { UNDO=$1; } # on_failure COMMAND: what takes back the things that this run has made by now

finish() {
  local code=$?
  trap - EXIT
  [ "$code" = 0 ] || ("$UNDO") || true
  rm -rf "$SCRATCH"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- AWS ------------------------------------------------------------------------------------------------------------
refused() { fail "$(grep -v '^$' "$SCRATCH/error" | sed 's/satisfy enum value set: .*/be one that it knows/')" "$(remedy "$@")"; }

remedy() { # remedy SERVICE COMMAND…: of what AWS refused there
  case $(cat "$SCRATCH/error") in
    *[iI]nstanceType*'enum value set'*) echo "Set INSTANCE_TYPE to a type that SageMaker has in $AWS_REGION." ;;
    *ResourceLimitExceeded*) echo 'Ask for more in Service Quotas (Amazon SageMaker), or set another INSTANCE_TYPE.' ;;
    *AccessDenied* | *'not authorized'*)
      echo "You may not call $1 $2. A policy that lets you: $(typed deploy/iam/create_role.sh) --print deployer"
      ;;
    *'Unknown parameter in MetricsConfig'* | *'Unknown parameter in input: "MetricsConfig"'*)
      echo 'This AWS CLI is too old for METRICS. Update it: https://aws.amazon.com/cli/ Or set METRICS=false.'
      ;;
    *' model data'*) echo "Is the model there? $(typed deploy/upload_model.sh) uploads one." ;;
    *) echo "It was the answer to: aws $1 $2 (region $AWS_REGION)" ;;
  esac
}

# call SERVICE COMMAND…: the answer as text; a refusal ends the script
call() { aws "$@" --output text 2>"$SCRATCH/error" || refused "$@"; }

# ask SERVICE COMMAND…: as call, but nothing where there is no such thing
ask() {
  aws "$@" --output text 2>"$SCRATCH/error" && return
  grep -qE 'Could not find|NotFound|NoSuch|\(404\)' "$SCRATCH/error" || refused "$@"
}

# request WHAT SERVICE COMMAND…: call, with what resources.py says of WHAT
request() {
  resource "$1" >"$SCRATCH/$1.json"
  call "${@:2}" --cli-input-json "file://$SCRATCH/$1.json"
}
resource() { PYTHONDONTWRITEBYTECODE=1 python3 "$DEPLOY_DIR/resources.py" "$1"; }

# sign_in: ACCOUNT, that of the credentials, and S3_BUCKET
sign_in() {
  command -v aws >/dev/null || fail 'The AWS CLI is missing.' 'Install it: https://aws.amazon.com/cli/'
  ACCOUNT=$(aws sts get-caller-identity --query Account --output text 2>"$SCRATCH/error") \
    || fail "AWS did not accept your credentials: $(grep -v '^$' "$SCRATCH/error")" \
      'Sign in (aws configure, or aws sso login) and try again.'
  export S3_BUCKET=${S3_BUCKET:-sagemaker-$AWS_REGION-$ACCOUNT}
}

require_python() { command -v python3 >/dev/null || fail 'python3 is missing.' 'Install Python 3.9 or newer.'; }

# The scripts remember their results here, so that a deployment needs no questions.
record() { # record NAME VALUE
  mkdir -p "$DEPLOY_DIR/.state/$ACCOUNT-$AWS_REGION"
  printf '%s\n' "$2" >"$DEPLOY_DIR/.state/$ACCOUNT-$AWS_REGION/$1"
}
recall() { cat "$DEPLOY_DIR/.state/$ACCOUNT-$AWS_REGION/$1" 2>/dev/null || true; }
forget() { rm -rf "${DEPLOY_DIR:?}/.state/$ACCOUNT-$AWS_REGION"; }

# --- the model's files -----------------------------------------------------------------------------------------------
# A dot file, such as the .gitkeep that keeps the folder, is no part of the model.
model_files() { (cd "$MODEL_DIR" 2>/dev/null && find . "$@" ! -path '*/.*' | sort | head -n 5) || true; }

require_model() {
  local how='Put your model there and try again.' links
  links=$(model_files ! -type f ! -type d)
  [ -z "$links" ] || fail "In $MODEL_DIR are links or special files, which SageMaker refuses:
$links" 'Put the files themselves there and try again.'
  [ ! -e "$PROJECT_DIR/sample_model/train.py" ] \
    || how="Put yours there, or train the sample (python $(typed sample_model/train.py)), and try again."
  [ -n "$(model_files -type f)" ] || fail "There is no model in $MODEL_DIR." "$how"
}

# --- requests --------------------------------------------------------------------------------------------------------
# require_request FILE [CONTENT-TYPE]: CONTENT_TYPE, if it is not given by the ending
require_request() {
  [ $# = 1 ] || [ $# = 2 ] || misuse "${0##*/} takes FILE and perhaps CONTENT-TYPE."
  [ -f "$1" ] && [ -r "$1" ] || fail "There is no file to read at $1" 'Give the path of a request.'
  CONTENT_TYPE=${2:-$(content_type "$1")}
  [ -n "$CONTENT_TYPE" ] \
    || fail "The ending of $1 says no content type." "Give it: $(typed "deploy/${0##*/}") FILE CONTENT-TYPE"
}

content_type() { # content_type FILE: by its ending; nothing where that says none
  case $(tr '[:upper:]' '[:lower:]' <<<"$1") in
    *.json) echo application/json ;;
    *.jsonl | *.jsonlines) echo application/jsonlines ;;
    *.csv) echo text/csv ;;
    *.npy) echo application/x-npy ;;
    *.libsvm | *.svmlight) echo text/libsvm ;;
  esac
}

# print_answer: what lies in SCRATCH/answer; it ends its line, whatever its last byte
print_answer() {
  cat "$SCRATCH/answer"
  [ -z "$(tail -c 1 "$SCRATCH/answer")" ] || echo
}

# --- bucket and repository --------------------------------------------------------------------------------------------
# What is made carries tags of this name; only what carries them is changed or removed. REMOVED counts that.
OWNER=ml-container-creator
REMOVED=0

is_ours() { # is_ours ARN: whether it was made for this project's DEPLOYMENT
  local values
  values=$(call sagemaker list-tags --resource-arn "$1" \
    --query "[Tags[?Key=='$OWNER:project']|[0].Value, Tags[?Key=='$OWNER:endpoint']|[0].Value]") || exit
  [ "$values" = "$PROJECT_NAME"$'\t'"$DEPLOYMENT" ]
}

# require_bucket: S3_BUCKET is there, the account's own and in the region; made, encrypted and not public, if missing
require_bucket() {
  local region
  region=$(ask s3api get-bucket-location --bucket "$S3_BUCKET" --expected-bucket-owner "$ACCOUNT")
  case $region in
    '') make_bucket ;;
    "$AWS_REGION") ;;
    None) [ "$AWS_REGION" = us-east-1 ] || wrong_region us-east-1 ;;
    *) wrong_region "$region" ;;
  esac
}
wrong_region() {
  fail "The bucket $S3_BUCKET is in $1, but SageMaker reads from its own region, $AWS_REGION." \
    'Name another bucket in S3_BUCKET.'
}

make_bucket() {
  local place=()
  # The oldest region is named by leaving its name out.
  [ "$AWS_REGION" = us-east-1 ] || place=(--create-bucket-configuration "LocationConstraint=$AWS_REGION")
  say "Making the bucket $S3_BUCKET in $AWS_REGION, encrypted and closed to the public."
  call s3api create-bucket --bucket "$S3_BUCKET" ${place[@]+"${place[@]}"} >/dev/null
  on_failure remove_bucket
  call s3api put-public-access-block --bucket "$S3_BUCKET" --expected-bucket-owner "$ACCOUNT" \
    --public-access-block-configuration \
    BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
  call s3api put-bucket-encryption --bucket "$S3_BUCKET" --expected-bucket-owner "$ACCOUNT" \
    --server-side-encryption-configuration \
    '{"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}'
}
# Only while it is empty.
remove_bucket() { aws s3api delete-bucket --bucket "$S3_BUCKET" --expected-bucket-owner "$ACCOUNT" 2>/dev/null; }

# upload_by_content FILE FOLDER: to s3://S3_BUCKET/PROJECT_NAME/FOLDER/HASH/NAME, where HASH is that of FILE; UPLOADED
upload_by_content() {
  local key
  key=$PROJECT_NAME/$2/$(sha256 <"$1")/$(basename -- "$1" | tr -c '[:alnum:]._\n-' _)
  upload "$1" "$key"
  UPLOADED=s3://$S3_BUCKET/$key
}
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1; }

# upload FILE KEY [OPTION…]: into the bucket
upload() {
  say "Uploading $(($(wc -c <"$1"))) bytes to s3://$S3_BUCKET/$2"
  aws s3 cp --only-show-errors ${3+"${@:3}"} "$1" "s3://$S3_BUCKET/$2" >&2 \
    || fail "$1 could not be uploaded; the reason is above." 'Try again.'
}

# fits_serverless BYTES: whether an image is small enough, where it is for a serverless endpoint
fits_serverless() {
  [ -z "${SERVERLESS_MEMORY:-}" ] || [ "$1" -le 10000000000 ] \
    || fail "The image has $1 bytes; a serverless endpoint takes at most 10 GB." \
      'Take packages out of requirements.txt, or deploy to an instance: ml-container-creator --deploy-target=realtime'
}

# require_repository: REPOSITORY, the address of the project's own in ECR, made if missing
require_repository() {
  REPOSITORY=$(ask ecr describe-repositories --repository-names "$PROJECT_NAME" --query 'repositories[0].repositoryUri')
  [ -z "$REPOSITORY" ] || return 0
  say "Making the ECR repository $PROJECT_NAME in $AWS_REGION"
  REPOSITORY=$(call ecr create-repository --repository-name "$PROJECT_NAME" --query repository.repositoryUri \
    --image-scanning-configuration scanOnPush=true --image-tag-mutability IMMUTABLE \
    --encryption-configuration encryptionType=AES256 --tags "Key=$OWNER:project,Value=$PROJECT_NAME")
  on_failure remove_repository
}
# Without --force it is only removed while it is empty.
remove_repository() { aws ecr delete-repository --repository-name "$PROJECT_NAME" >/dev/null 2>&1; }
