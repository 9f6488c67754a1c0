# --- the models in S3 -------------------------------------------------------------------------------------------------
# More that delete.sh --all removes of the project's folder in the bucket.
ALSO_UPLOADED='|models/[^/]+\.tar\.gz'

# uploading: the command that uploads a model, as the caller can type it; nothing where there is one
uploading() { [ -n "$(recall target)" ] || printf '%s first' "$(typed deploy/upload_model.sh)"; }

# asking: the command that sends a request to the model uploaded last, as the caller can type it
asking() {
  local upload target
  upload=$(uploading)
  target=$(recall target)
  printf '%s%s --target-model %s %s' "${upload:+$upload && }" "$(typed deploy/invoke.sh)" "${target:-first}" \
    "$(sample_request)"
}
