# --- the model in S3 --------------------------------------------------------------------------------------------------
# More that delete.sh --all removes of the project's folder in the bucket.
ALSO_UPLOADED=''

# uploading: the command that uploads a model, as the caller can type it; nothing where there is one
uploading() { [ "$MODEL_DELIVERY" = image ] || [ -n "$(recall model)" ] || typed deploy/upload_model.sh; }

# asking: the command that sends a request, as the caller can type it
asking() { printf '%s %s' "$(typed deploy/invoke.sh)" "$(sample_request)"; }
