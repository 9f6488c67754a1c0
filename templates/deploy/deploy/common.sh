# shellcheck shell=bash
# shellcheck disable=SC2034  # what is set here is for the scripts that source it
# What the scripts of this folder share; each sources it first. For bash 3.2 or newer and the AWS CLI 1 or 2.

DEPLOY_DIR=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
PROJECT_DIR=${DEPLOY_DIR%/*}
# shellcheck source=/dev/null
. "$DEPLOY_DIR/settings.sh"

export AWS_REGION AWS_DEFAULT_REGION=$AWS_REGION AWS_PAGER=''
export AWS_RETRY_MODE=${AWS_RETRY_MODE:-standard} AWS_MAX_ATTEMPTS=${AWS_MAX_ATTEMPTS:-5}
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
  say "Try: $(typed "deploy/${0##*/}") --help"
  exit 2
}

# typed FILE: a file of the project as the caller of this script can type it
typed() {
  case /$0 in
    */deploy/*) printf '%q' "${0%deploy/*}$1" ;;
    *) printf '%q' "../$1" ;;
  esac
}

# deployment: the command that deploys, as the caller can type it
deployment() {
  typed deploy/deploy.sh
  [ -n "$ROLE_ARN" ] || printf ' ROLE_ARN'
}

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
refused() { fail "$(grep -v '^$' "$SCRATCH/error")" "It was the answer to: aws $1 $2 (region $AWS_REGION)"; }

# call SERVICE COMMAND…: the answer as text; a refusal ends the script
call() { aws "$@" --output text 2>"$SCRATCH/error" || refused "$@"; }

# ask SERVICE COMMAND…: as call, but nothing where there is no such thing
ask() {
  aws "$@" --output text 2>"$SCRATCH/error" && return
  grep -qE 'Could not find|NotFound|NoSuch|\(404\)' "$SCRATCH/error" || refused "$@"
}

# sign_in: ACCOUNT, that of the credentials
sign_in() {
  command -v aws >/dev/null || fail 'The AWS CLI is missing.' 'Install it: https://aws.amazon.com/cli/'
  ACCOUNT=$(aws sts get-caller-identity --query Account --output text 2>"$SCRATCH/error") \
    || fail "AWS did not accept your credentials: $(grep -v '^$' "$SCRATCH/error")" \
      'Sign in (aws configure, or aws sso login) and try again.'
}

# The scripts remember their results here, so that deploy.sh needs no questions.
record() { # record NAME VALUE
  mkdir -p "$DEPLOY_DIR/.state/$ACCOUNT-$AWS_REGION"
  printf '%s\n' "$2" >"$DEPLOY_DIR/.state/$ACCOUNT-$AWS_REGION/$1"
}
recall() { cat "$DEPLOY_DIR/.state/$ACCOUNT-$AWS_REGION/$1" 2>/dev/null || true; }
forget() { rm -rf "${DEPLOY_DIR:?}/.state/$ACCOUNT-$AWS_REGION"; }

# --- the model's files -----------------------------------------------------------------------------------------------
# A dot file, such as the .gitkeep that keeps the folder, is no part of the model.
model_files() { (cd "$PROJECT_DIR/model" 2>/dev/null && find . "$@" ! -path '*/.*' | sort | head -n 5) || true; }

require_model() {
  local how='Put your model there and try again.' links
  links=$(model_files ! -type f ! -type d)
  [ -z "$links" ] || fail "In $PROJECT_DIR/model are links or special files, which SageMaker refuses:
$links" 'Put the files themselves there and try again.'
  [ ! -e "$PROJECT_DIR/sample_model/train.py" ] \
    || how="Put yours there, or train the sample (python $(typed sample_model/train.py)), and try again."
  [ -n "$(model_files -type f)" ] || fail "There is no model in $PROJECT_DIR/model." "$how"
}

# --- endpoints: what deploy.sh makes carries these tags, and only what carries them is changed or removed ------------
OWNER=ml-container-creator
TAGS=("Key=$OWNER:project,Value=$PROJECT_NAME" "Key=$OWNER:endpoint,Value=$ENDPOINT_NAME")
# Names have 63 characters at most: this, a hyphen and 10 of a hash.
STEM=${ENDPOINT_NAME:0:52}

is_ours() { # is_ours ARN
  local values
  values=$(call sagemaker list-tags --resource-arn "$1" \
    --query "[Tags[?Key=='$OWNER:project']|[0].Value, Tags[?Key=='$OWNER:endpoint']|[0].Value]") || exit
  [ "$values" = "$PROJECT_NAME"$'\t'"$ENDPOINT_NAME" ]
}

# look: STATUS, CONFIG, ARN and REASON of the endpoint, all empty where there is none
look() {
  local fields='[EndpointStatus,EndpointConfigName,EndpointArn,FailureReason]' answer
  answer=$(ask sagemaker describe-endpoint --endpoint-name "$ENDPOINT_NAME" --query "$fields") || exit
  IFS=$'\t' read -r STATUS CONFIG ARN REASON <<<"$answer" || true
}

changes() { case $STATUS in *ing | RollingBack) return 0 ;; *) return 1 ;; esac; }

# settle: look until the endpoint has stopped changing, with a line at every new status and every half minute
settle() {
  local last='' due=0 began=$SECONDS
  while look && changes; do
    if [ "$STATUS" != "$last" ] || [ "$SECONDS" -ge "$due" ]; then
      say "$ENDPOINT_NAME: $STATUS ($((SECONDS - began)) s)"
      last=$STATUS due=$((SECONDS + 30))
    fi
    sleep "$POLL_SECONDS"
  done
}

# remove_made KEPT: remove the configurations and models of this endpoint, but those named KEPT; REMOVED counts them
REMOVED=0
remove_made() {
  remove_kind endpoint-config EndpointConfig "$1"
  remove_kind model Model "$1"
}
remove_kind() { # remove_kind KIND FIELD KEPT
  local name arn
  call sagemaker "list-${1}s" --name-contains "$STEM-" --query "${2}s[].[${2}Name,${2}Arn]" >"$SCRATCH/$1"
  while IFS=$'\t' read -r name arn; do
    [[ $name =~ ^$STEM-[0-9a-f]{10}$ && $name != "$3" ]] || continue
    is_ours "$arn" || continue
    call sagemaker "delete-$1" "--$1-name" "$name"
    REMOVED=$((REMOVED + 1))
  done <"$SCRATCH/$1"
}
