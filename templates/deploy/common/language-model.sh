# --- the model's files in S3 -----------------------------------------------------------------------------------------
# More that delete.sh --all removes of the project's folder in the bucket.
ALSO_UPLOADED='|model/[0-9a-f]{64}/.+'

# uploading: the command that uploads a model, as the caller can type it; nothing where there is one, or a place for it
uploading() { [ -n "$MODEL_DATA${MODEL_ID:-}$(recall model)" ] || typed deploy/upload_model.sh; }

# asking: the command that sends a request, as the caller can type it
asking() { printf '%s %s' "$(typed deploy/invoke.sh)" "$(sample_request)"; }
