# --- the queue -------------------------------------------------------------------------------------------------------
# Auto scaling: on when the most are more than the fewest. It aims at so many waiting requests for each instance. With
# 0 as the fewest nothing bills while nothing waits; the first request then waits some minutes for its instance.
MIN_INSTANCE_COUNT=${MIN_INSTANCE_COUNT:-0}
MAX_INSTANCE_COUNT=${MAX_INSTANCE_COUNT:-$INSTANCE_COUNT}
BACKLOG_PER_INSTANCE=${BACKLOG_PER_INSTANCE:-5}
# Requests that an instance answers at a time.
ASYNC_CONCURRENCY=${ASYNC_CONCURRENCY:-4}
# Where answers and errors go. Empty: s3://S3_BUCKET/PROJECT_NAME/async/output and …/failures
ASYNC_OUTPUT=${ASYNC_OUTPUT:-}
ASYNC_FAILURES=${ASYNC_FAILURES:-}
# ARNs of SNS topics that are told of each. Empty: none.
SUCCESS_TOPIC=${SUCCESS_TOPIC:-}
ERROR_TOPIC=${ERROR_TOPIC:-}
# Seconds that invoke.sh waits for an answer.
ANSWER_SECONDS=${ANSWER_SECONDS:-900}
