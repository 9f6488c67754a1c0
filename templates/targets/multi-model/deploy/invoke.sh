#!/usr/bin/env bash
# Usage: deploy/invoke.sh --target-model NAME FILE [CONTENT-TYPE]
#
# Sends FILE as one request to one of the endpoint's models, which is loaded if it is not: that may take a while.
#
#   NAME           as upload_model.sh was told it; without one this lists what is there
#   CONTENT-TYPE   what is in it; without it, by the ending: .json .jsonl .csv .npy .libsvm
#   ACCEPT         (environment) what the answer should be, such as text/csv
#
# Prints the answer. Settings: deploy/settings.sh. Needs the AWS CLI, and python3 to list.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

# refuse_target WHY: with the names of the models that are there, of the first 50 objects
refuse_target() {
  local place key found names=''
  place=$(resource model-url)
  key=${place#s3://*/}
  place=${place%"$key"}
  ask s3api list-objects-v2 --bucket "$(basename "$place")" --prefix "$key" --max-items 50 --query 'Contents[].[Key]' \
    >"$SCRATCH/keys"
  while read -r found; do
    [[ $found != *.tar.gz ]] || names="$names ${found#"$key"}"
  done <"$SCRATCH/keys"
  [ -n "$names" ] || fail "$1 In $place$key there is none yet." "Upload one: $(typed deploy/upload_model.sh) first"
  fail "$1 In $place$key there are:${names//.tar.gz/}" "Name one: $(typed deploy/invoke.sh) --target-model NAME FILE"
}

target='' arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --target-model=*) target=${1#*=} ;;
    --target-model) target=${2:-} && shift ;;
    -*) misuse "invoke.sh takes no option but --target-model: $1" ;;
    *) arguments+=("$1") ;;
  esac
  [ $# = 0 ] || shift
done
set -- ${arguments[@]+"${arguments[@]}"}
require_request "$@"
sign_in
[ -n "$target" ] || refuse_target 'Which model?'
target=${target%.tar.gz}.tar.gz
if ! aws sagemaker-runtime invoke-endpoint --endpoint-name "$ENDPOINT_NAME" --target-model "$target" \
  --content-type "$CONTENT_TYPE" ${ACCEPT:+--accept "$ACCEPT"} --body "fileb://$1" "$SCRATCH/answer" >/dev/null \
  2>"$SCRATCH/error"; then
  case $(cat "$SCRATCH/error") in
    *'(ModelError)'*) hint="The container's log is in CloudWatch: /aws/sagemaker/Endpoints/$ENDPOINT_NAME" ;;
    *'(ModelNotReadyException)'*) hint='It is being loaded, which goes on: try again in a minute.' ;;
    *'model data'*) refuse_target "There is no model ${target%.tar.gz}." ;;
    *) hint="Is it deployed in $AWS_REGION? $(deployment)" ;;
  esac
  fail "$(grep -v '^$' "$SCRATCH/error")" "$hint"
fi
print_answer
