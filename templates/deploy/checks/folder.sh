
# require_model_data: MODEL_DATA, after a look whether a model lies there; without one MODEL_REVISION, that on the Hub
require_model_data() {
  local name place key
  MODEL_DATA=$(resource model-url)
  MODEL_DATA=${MODEL_DATA:-$(recall model)}
  if [ -n "$MODEL_DATA" ]; then
    place=${MODEL_DATA#s3://}
    for name in config.json params.json; do # of Transformers, of Mistral
      key=$(ask s3api head-object --bucket "${place%%/*}" --key "${place#*/}$name" --query ContentLength)
      [ -z "$key" ] || return 0
    done
    fail "There is no model at $MODEL_DATA: it has no config.json." "Upload one: $(typed deploy/upload_model.sh)"
  fi
  [ -n "${MODEL_ID:-}" ] || fail "No model was uploaded to $AWS_REGION yet." "First: $(typed deploy/upload_model.sh)"
  MODEL_REVISION=$(python3 "$DEPLOY_DIR/hub.py") || exit
  say "$MODEL_ID comes from the Hugging Face Hub, at its revision $MODEL_REVISION"
}
