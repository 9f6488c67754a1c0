
# require_model_data: MODEL_DATA, after a look whether the archive is there and what is in it
require_model_data() {
  local form='^s3://([^/]+)/(.+\.tar\.gz)$' size own
  [ "$MODEL_DELIVERY" = s3 ] || { MODEL_DATA='' && return; }
  own=$(recall model)
  MODEL_DATA=$(resource model-url)
  MODEL_DATA=${MODEL_DATA:-$own}
  [ -n "$MODEL_DATA" ] || fail "No model was uploaded to $AWS_REGION yet." "First: $(typed deploy/upload_model.sh)"
  [[ $MODEL_DATA =~ $form ]] || return 0 # where many models lie, or will lie
  size=$(ask s3api head-object --bucket "${BASH_REMATCH[1]}" --key "${BASH_REMATCH[2]}" --query ContentLength)
  [ -n "$size" ] || fail "There is no such model: $MODEL_DATA" "Upload it: $(typed deploy/upload_model.sh)"
  [ "$MODEL_DATA" != "$own" ] || return 0 # upload_model.sh has packed it
  say "Reading $MODEL_DATA ($size bytes): has it links?"
  aws s3 cp --only-show-errors "$MODEL_DATA" - 2>"$SCRATCH/error" | python3 "$DEPLOY_DIR/model_archive.py" --check \
    || fail "SageMaker would not unpack $MODEL_DATA: the reason is above. $(cat "$SCRATCH/error")" \
      "Pack it again with the files themselves: $(typed deploy/upload_model.sh) does so."
}
