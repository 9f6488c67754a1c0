
# require_model_data: MODEL_DATA, after a look whether a model lies there; without one MODEL_REVISION, that on the Hub
require_model_data() {
  local name bucket prefix found
  MODEL_DATA=$(resource model-url)
  MODEL_DATA=${MODEL_DATA:-$(recall model)}
  if [ -n "$MODEL_DATA" ]; then
    prefix=${MODEL_DATA#s3://}
    bucket=${prefix%%/*}
    prefix=${prefix#*/}
    for name in "${prefix}config.json" "${prefix}params.json"; do # of Transformers, of Mistral
      # Listed, for S3 says of a missing object that it is forbidden to those who may not list the whole bucket.
      found=$(ask s3api list-objects-v2 --bucket "$bucket" --prefix "$name" --max-keys 1 --query 'Contents[0].Key')
      [ "$found" != "$name" ] || return 0
    done
    fail "There is no model at $MODEL_DATA: it has no config.json." "Upload one: $(typed deploy/upload_model.sh)"
  fi
  [ -n "${MODEL_ID:-}" ] || fail "No model was uploaded to $AWS_REGION yet." "First: $(typed deploy/upload_model.sh)"
  MODEL_REVISION=$(python3 "$DEPLOY_DIR/hub.py") || exit
  say "$MODEL_ID comes from the Hugging Face Hub, at its revision $MODEL_REVISION"
}
