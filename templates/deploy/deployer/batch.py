"""Usage: deploy/deploy.sh [ROLE_ARN]

Runs a SageMaker batch transform job on BATCH_INPUT, with the image pushed last and the model uploaded last, waits until
it ends and says where the predictions are.

  ROLE_ARN   the role that SageMaker assumes; default: from deploy/settings.env, or created by deploy/iam/create_role.sh

Prints the job's name. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import re
import secrets
import time
from dataclasses import replace
from pathlib import Path

from deployer import checks, hints, storage
from deployer.aws import (
    AWS_ERRORS,
    CHANGING,
    Failure,
    client,
    create,
    if_exists,
    is_ours,
    remove_ours,
    say,
    show_log,
    sign_in,
    wait,
)
from deployer.invoke import CONTENT_TYPES
from deployer.requests import transform as target
from deployer.requests.common import Json, name_by_content
from deployer.requests.model import describe_model
from deployer.requests.transform import Settings
from deployer.settings import PROJECT
from deployer.state import record

arguments = checks.arguments


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Run a job on BATCH_INPUT. Return the job's name.

    If the job fails, everything this run created is removed, except the job's record, which SageMaker keeps.
    """
    job, output = predict(settings, given.role_arn)
    say(
        f"The predictions are in {output}/. Next: aws s3 cp --recursive {hints.quote(f'{output}/')} predictions/,"
        f" and when you are done {hints.command('delete')}"
    )
    return job


def remove(settings: Settings) -> int:
    """Stop this project's running jobs and remove its models. Return the number of resources removed."""
    sagemaker, stem, removed = client("sagemaker"), settings.deployment[:40], 0
    pages = sagemaker.get_paginator("list_transform_jobs").paginate(NameContains=f"{stem}-", StatusEquals="InProgress")
    for job in [job for page in pages for job in page["TransformJobSummaries"]]:
        name, form = job["TransformJobName"], f"{re.escape(stem)}-[0-9]{{14}}-[0-9a-f]{{4}}"
        if re.fullmatch(form, name) and is_ours(settings, job["TransformJobArn"]):
            say(f"Stopping the job {name}")
            sagemaker.stop_transform_job(TransformJobName=name)
            removed += 1
    return removed + remove_ours(settings, "Model")


# --- the job ---------------------------------------------------------------------------------------------------------
def predict(settings: Settings, role_arn: str) -> tuple[str, str]:
    """Run a job until it ends. Return its name and the S3 URI of its predictions."""
    settings = checks.require_all(sign_in(settings), role_arn)
    storage.require_bucket(settings)
    settings = require_input(settings)
    job = f"{settings.deployment[:40]}-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    model = describe_model(settings)
    name = name_by_content(settings, model)
    request = target.job(settings, name, job)
    say(hints.cost_notice(target.cost(settings), "the job ends"))
    made: list[str] = []
    try:
        create("model", {"ModelName": name, **model}, made)
        follow(settings, request)
    except BaseException as error:
        code = hints.explain(settings, error)
        roll_back(settings, job, name if made else "")
        raise SystemExit(code) from None
    record(settings, "role", settings.role_arn)
    return job, str(request["TransformOutput"]["S3OutputPath"])


def require_input(settings: Settings) -> Settings:
    """Return the settings with BATCH_INPUT, uploaded if it is local, and BATCH_CONTENT_TYPE. Raise Failure."""
    sample = PROJECT / "test/sample_request.csv"
    source = settings.batch_input or (str(sample) if sample.is_file() else "")
    if not source:
        how = hints.with_variable("BATCH_INPUT", "records.csv", hints.command("deploy"))
        raise Failure("There is no input to predict.", f"Name a file, a folder or an S3 URI: {how}")
    kind = settings.batch_content_type or CONTENT_TYPES.get(Path(source).suffix.lower(), "")
    if source.startswith("s3://"):
        if not storage.holds(settings, source):
            raise Failure(f"There is nothing in S3 at {source}", "Upload the data, or name another S3 URI.")
    elif Path(source).is_dir():
        source = storage.upload_folder(settings, Path(source), "batch/input")
    elif Path(source).is_file():
        source = storage.upload_by_content(settings, Path(source), "batch/input")
    else:
        raise Failure(f"There is no file or folder {source}", "Set BATCH_INPUT to the file or folder to predict.")
    return replace(settings, batch_input=source, batch_content_type=kind)


def describe(settings: Settings, job: str) -> Json:
    """Return the job's description; empty if it does not exist."""
    return if_exists(client("sagemaker").describe_transform_job, TransformJobName=job)


def follow(settings: Settings, request: Json) -> None:
    """Start the job and wait until it ends. Raise Failure with SageMaker's reason."""
    job = request["TransformJobName"]
    client("sagemaker").create_transform_job(**request)
    ended = wait(settings, job, "TransformJobStatus", lambda: describe(settings, job))
    status = ended.get("TransformJobStatus", "gone")
    if status == "Completed":
        return
    show_log(settings, "/aws/sagemaker/TransformJobs", logStreamNamePrefix=f"{job}/")
    reason = ended.get("FailureReason", f"it is {status}, and SageMaker gave no reason.")
    raise Failure(f"{job} failed: {reason}", f"Fix that and run {hints.command('deploy')} again.")


def roll_back(settings: Settings, job: str, model: str) -> None:
    """Stop the job if it is running; otherwise remove the model created for it."""
    sagemaker, status = client("sagemaker"), describe(settings, job).get("TransformJobStatus", "")
    if CHANGING.search(status):
        say(f"Stopping {job}, which may still use its model: {hints.command('delete')} removes the model later.")
        try:
            sagemaker.stop_transform_job(TransformJobName=job)
        except AWS_ERRORS as error:
            say(f"The job could not be stopped and is still running: {error}")
    elif model:
        if_exists(sagemaker.delete_model, ModelName=model)
        say("Removed everything this run created.")
