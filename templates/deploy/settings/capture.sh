# Per cent of the requests that are kept, with their answers, in S3. Empty place: s3://S3_BUCKET/PROJECT_NAME/capture
CAPTURE_PERCENT=${CAPTURE_PERCENT:-0}
CAPTURE_URI=${CAPTURE_URI:-}
