# shellcheck shell=bash
# shellcheck disable=SC2034  # what is set here is for the scripts that source it
# What scripts that deploy and delete know of jobs.

DEPLOYMENT=$JOB_NAME
# Names have 63 characters at most: a model's is this, a hyphen and 10 of a hash.
STEM=${JOB_NAME:0:52}

# remove_deployment: stop the jobs that run and remove the models; a job's record stays, as SageMaker keeps it
remove_deployment() {
  local name arn
  call sagemaker list-transform-jobs --name-contains "${JOB_NAME:0:40}-" --status-equals InProgress \
    --query 'TransformJobSummaries[].[TransformJobName,TransformJobArn]' >"$SCRATCH/jobs"
  while IFS=$'\t' read -r name arn; do
    if ! [[ $name =~ ^${JOB_NAME:0:40}-[0-9]{14}-[0-9a-f]{4}$ ]] || ! is_ours "$arn"; then continue; fi
    say "Stopping the job $name"
    call sagemaker stop-transform-job --transform-job-name "$name"
    REMOVED=$((REMOVED + 1))
  done <"$SCRATCH/jobs"
  remove_kind model Model
}
