# Names the jobs and their model: this, and a date or a hash.
JOB_NAME=${JOB_NAME:-$PROJECT_NAME}
