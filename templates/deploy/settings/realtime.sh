# Auto scaling: on when the most are more than the fewest. It aims at so many requests a minute for each instance.
MIN_INSTANCE_COUNT=${MIN_INSTANCE_COUNT:-$INSTANCE_COUNT}
MAX_INSTANCE_COUNT=${MAX_INSTANCE_COUNT:-$INSTANCE_COUNT}
INVOCATIONS_PER_INSTANCE=${INVOCATIONS_PER_INSTANCE:-1000}
# Per cent of the requests that are kept, with their answers, in S3. Empty place: s3://S3_BUCKET/PROJECT_NAME/capture
CAPTURE_PERCENT=${CAPTURE_PERCENT:-0}
CAPTURE_URI=${CAPTURE_URI:-}
