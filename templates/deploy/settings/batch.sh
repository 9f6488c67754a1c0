# --- the job ---------------------------------------------------------------------------------------------------------
# What is predicted: a file or folder here, which is uploaded, or s3://BUCKET/PREFIX. Empty: test/sample_request.csv
BATCH_INPUT=${BATCH_INPUT:-}
# Where the predictions go, each job's into a folder of its own. Empty: s3://S3_BUCKET/PROJECT_NAME/batch/output
BATCH_OUTPUT=${BATCH_OUTPUT:-}
# What is in the input: text/csv, application/jsonlines … Empty: by the ending of BATCH_INPUT. And what comes out.
BATCH_CONTENT_TYPE=${BATCH_CONTENT_TYPE:-}
BATCH_ACCEPT=${BATCH_ACCEPT:-text/csv}
# Line: each line is a record, and so is each of the answers. None: each file is one request.
BATCH_SPLIT=${BATCH_SPLIT:-Line}
BATCH_ASSEMBLE=${BATCH_ASSEMBLE:-Line}
# MultiRecord: as many records in a request as fit in BATCH_PAYLOAD_MB. SingleRecord: one.
BATCH_STRATEGY=${BATCH_STRATEGY:-MultiRecord}
BATCH_PAYLOAD_MB=${BATCH_PAYLOAD_MB:-6}
# Requests at a time on each instance; times BATCH_PAYLOAD_MB at most 100. Empty: what the server asks for.
BATCH_CONCURRENCY=${BATCH_CONCURRENCY:-}
