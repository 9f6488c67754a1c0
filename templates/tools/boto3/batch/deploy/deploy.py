#!/usr/bin/env python3
"""Predicts files with the project's image and model in SageMaker batch transform jobs, with boto3.

    python3 deploy/deploy.py deploy [ROLE_ARN]              all of BATCH_INPUT; prints the job's name
    python3 deploy/deploy.py invoke FILE [CONTENT-TYPE]     one file; prints its predictions
    python3 deploy/deploy.py delete                         prints how many jobs it stopped and models it removed

What AWS is asked for is in resources.py, the settings are in settings.sh.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
import time
from pathlib import Path

import aws
import bucket
import checks
import resources
from aws import Failure, say, typed
from resources import Json, text


def deploy(role_arn: str) -> str:
    """Predicts all of BATCH_INPUT in a job and waits for its end. Returns the job's name.

    When it fails, what this run made is removed; the job's record stays, as SageMaker keeps it.
    """
    output = predict(role_arn)["TransformOutput"]["S3OutputPath"]
    say(
        f"The predictions are in {output}/. Next: aws s3 cp --recursive {output}/ predictions/,"
        f" and when you are done {typed('deploy.py', 'delete')}"
    )
    return text("TRANSFORM_JOB")


def invoke(file: str, content_type: str) -> bytes:
    """Predicts one file in a job of its own. A file that is not made of lines is one request."""
    kind = checks.require_request(file, content_type)
    os.environ.update(BATCH_INPUT=file, BATCH_CONTENT_TYPE=kind)
    if not re.match("text/|application/jsonlines", kind):
        os.environ.update(BATCH_SPLIT="None", BATCH_ASSEMBLE="None")
    output = predict("")["TransformOutput"]["S3OutputPath"]
    place = f"{output}/{text('BATCH_INPUT').rpartition('/')[2]}.out"
    predictions = bucket.read(place)
    if predictions is None:
        raise Failure(f"The job has written nothing to {place}", "Is anything in the file?")
    return predictions


def delete() -> str:
    """Stops the jobs that run and removes the models, as far as this project made them; how many that were."""
    sagemaker, stem, removed = aws.client("sagemaker"), resources.deployment()[:40], 0
    pages = sagemaker.get_paginator("list_transform_jobs").paginate(NameContains=f"{stem}-", StatusEquals="InProgress")
    for job in [job for page in pages for job in page["TransformJobSummaries"]]:
        name = job["TransformJobName"]
        if re.fullmatch(f"{re.escape(stem)}-[0-9]{{14}}-[0-9a-f]{{4}}", name) and aws.is_ours(job["TransformJobArn"]):
            say(f"Stopping the job {name}")
            sagemaker.stop_transform_job(TransformJobName=name)
            removed += 1
    removed += aws.remove_made("Model")
    say(f"Removed {removed}. Of what was deployed for {text('PROJECT_NAME')} in {text('AWS_REGION')} nothing is left.")
    return str(removed)


# --- the job ---------------------------------------------------------------------------------------------------------
def predict(role_arn: str) -> Json:
    """Runs the job to its end; what SageMaker was asked for."""
    checks.require_all(role_arn)
    bucket.require_bucket()
    require_input()
    job = f"{resources.deployment()[:40]}-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    os.environ["TRANSFORM_JOB"] = job
    name, request = resources.name(), resources.job()
    say(
        f"Cost: {resources.cost()} until the job's end. Prices: https://aws.amazon.com/sagemaker/pricing/;"
        " what you paid: https://console.aws.amazon.com/costmanagement/"
    )
    made = False
    try:
        if not aws.ask(aws.client("sagemaker").describe_model, ModelName=name):
            aws.client("sagemaker").create_model(**resources.model())
            made = True
        run(job, request)
    except BaseException as error:
        code = aws.explain(error)
        take_back(job, name if made else "")
        sys.exit(code)
    aws.record("role", text("ROLE_ARN"))
    return request


def require_input() -> None:
    """BATCH_INPUT in S3, uploaded if it is here, and BATCH_CONTENT_TYPE."""
    sample = resources.HERE.parent / "test/sample_request.csv"
    source = text("BATCH_INPUT", str(sample) if sample.is_file() else "")
    if not source:
        how = f"BATCH_INPUT=records.csv {typed('deploy.py', 'deploy')}"
        raise Failure("There is nothing to predict.", f"Name a file, a folder or a place in S3: {how}")
    kind = checks.CONTENT_TYPES.get(Path(source).suffix.lower(), "")
    os.environ["BATCH_CONTENT_TYPE"] = text("BATCH_CONTENT_TYPE", kind)
    if source.startswith("s3://"):
        name, _, prefix = source.removeprefix("s3://").partition("/")
        found = aws.ask(aws.client("s3").list_objects_v2, Bucket=name, Prefix=prefix, MaxKeys=1)
        if not found.get("Contents"):
            raise Failure(f"There is nothing in S3 at {source}", "Upload it, or name another place.")
    elif Path(source).is_dir():
        source = bucket.upload_folder(Path(source), "batch/input")
    elif Path(source).is_file():
        source = bucket.upload_by_content(Path(source), "batch/input")
    else:
        raise Failure(f"There is no file or folder {source}", "Give the path of what is to be predicted.")
    os.environ["BATCH_INPUT"] = source


def look(job: str) -> Json:
    """The job; empty where there is none."""
    return aws.ask(aws.client("sagemaker").describe_transform_job, TransformJobName=job)


def run(job: str, request: Json) -> None:
    aws.client("sagemaker").create_transform_job(**request)
    ended = aws.wait(job, "TransformJobStatus", lambda: look(job))
    status = ended.get("TransformJobStatus", "gone")
    if status == "Completed":
        return
    aws.show_log("/aws/sagemaker/TransformJobs", logStreamNamePrefix=f"{job}/")
    reason = ended.get("FailureReason", f"it is {status}, and SageMaker gives no reason.")
    raise Failure(f"{job} failed: {reason}", f"Remedy that and run {typed('deploy.py', 'deploy')} again.")


def take_back(job: str, model: str) -> None:
    """Stops the job if it runs, or else removes the model that was made for it."""
    sagemaker, status = aws.client("sagemaker"), look(job).get("TransformJobStatus", "")
    if aws.CHANGING.search(status):
        say(f"Stopping {job}; {typed('deploy.py', 'delete')} removes its model, which it may still use.")
        try:
            sagemaker.stop_transform_job(TransformJobName=job)
        except aws.REFUSALS as error:
            say(f"It goes on: {error}")
    elif model:
        sagemaker.delete_model(ModelName=model)
        say("What this run made is removed.")


if __name__ == "__main__":
    aws.main(__doc__, deploy, invoke, delete, {})
