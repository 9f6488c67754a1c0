"""Usage: python3 train/fit.py [TRAIN] [--validation VALIDATION] [--hyperparameter NAME=VALUE] [--role ARN]

Trains a model in a SageMaker training job and waits until the job ends.

  TRAIN              a CSV file or a folder of them, which is uploaded, or an S3 URI (s3://BUCKET/PREFIX); default:
                     TRAIN_DATA in the settings
  --validation       the same, for validation; default: VALIDATION_DATA in the settings
  --hyperparameter   can be repeated
  --role             default: ROLE_ARN in the settings, or the role created by deploy/iam/create_role.sh

Prints the S3 URI of the model.tar.gz. The next deployment uses it. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import secrets
import time
from dataclasses import replace
from pathlib import Path

from deployer import archive, checks, hints, storage
from deployer.aws import CHANGING, Failure, Log, client, if_exists, say, sign_in, wait
from deployer.project import COMMANDS, command_module
from deployer.requests import training as requests
from deployer.requests.common import Json
from deployer.requests.training import Settings
from deployer.state import recall, record

GROUP = "/aws/sagemaker/TrainingJobs"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("train", metavar="TRAIN", nargs="?", default="")
    parser.add_argument("--validation", default="")
    parser.add_argument("--hyperparameter", metavar="NAME=VALUE", type=hyperparameter, action="append", default=[])
    parser.add_argument("--role", metavar="ARN", default="")


def hyperparameter(text: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Run the job. Return the S3 URI of its model."""
    settings = require_all(sign_in(settings), given)
    job = f"{settings.project_name[:40]}-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    request = requests.training_job(settings, job, dict(given.hyperparameter))
    say(
        f"Cost: 1 x {settings.train_instance_type} in {settings.aws_region}, billed until the job ends, at most"
        f" {settings.train_seconds} s. Prices: https://aws.amazon.com/sagemaker/pricing/"
    )
    uri = f"{requests.output_of(settings)}/{job}/output/model.tar.gz"
    made = False
    try:
        client("sagemaker").create_training_job(**request)
        made = True
        follow(settings, job, uri)
    except Failure:
        raise
    except BaseException as error:
        if made or not isinstance(error, Exception):  # a signal can arrive before the response of the call
            stop = f"aws sagemaker stop-training-job --region {settings.aws_region} --training-job-name {job}"
            say(f"\n{job} is still running and billed. To stop it: {stop}\nIts model will be {uri}")
        raise
    record(settings, "role", settings.role_arn)
    say(f"Next: {next_steps(settings, job, uri)}")
    return uri


# --- requirements ----------------------------------------------------------------------------------------------------
def require_all(settings: Settings, given: argparse.Namespace) -> Settings:
    """Return the settings with role, image and data filled in. Raise Failure if one is missing."""
    role = checks.require_role(settings, given.role, "--role arn:aws:iam::ACCOUNT:role/NAME")
    image = settings.train_image_uri or recall(settings, "train-image")
    if not image:
        first = f"Run {hints.training_build_command()} first."
        raise Failure(f"No training image has been pushed to {settings.aws_region} yet.", first)
    storage.require_bucket(settings)
    settings = replace(
        settings,
        role_arn=role,
        train_image_uri=image,
        train_data=require_data(settings, given.train or settings.train_data),
        validation_data=require_data(settings, given.validation or settings.validation_data),
    )
    if not settings.train_data:
        raise Failure("There is no training data.", "Pass a CSV file, a folder or an S3 URI; see --help.")
    return settings


def require_data(settings: Settings, source: str) -> str:
    """Return the S3 URI of the data, uploaded if local; empty if none is named. Raise Failure if it does not exist."""
    if source.startswith("s3://"):
        if not storage.holds(settings, source):
            raise Failure(f"There is nothing in S3 at {source}", "Upload the data, or pass another S3 URI.")
        return source
    path = Path(source)
    if not source:
        return ""
    if path.is_file():
        return storage.upload_by_content(settings, path, "data")
    if not path.is_dir() or not any(archive.model_files(path)):
        raise Failure(f"{source} is neither a file nor a folder with files.", "Pass a CSV file or a folder.")
    return storage.upload_folder(settings, path, "data")


# --- the job ---------------------------------------------------------------------------------------------------------
def stream_of(job: str) -> str:
    """Return the job's log stream; empty if there is none yet."""
    found = client("logs").describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{job}/")["logStreams"]
    return str(found[0]["logStreamName"]) if found else ""


def follow(settings: Settings, job: str, uri: str) -> None:
    """Wait until the job ends. Raise Failure with SageMaker's reason if it leaves no model."""
    log = Log()

    def describe() -> Json:
        found = client("sagemaker").describe_training_job(TrainingJobName=job)
        log.show(GROUP, lambda: stream_of(job))
        phase = found.get("SecondaryStatus", "")
        changing = all(map(CHANGING.search, (phase, found["TrainingJobStatus"])))
        return {**found, "Phase": phase if changing else found["TrainingJobStatus"]}

    ended = wait(settings, job, "Phase", describe)
    time.sleep(settings.poll_seconds)  # the last log lines can arrive after the job has ended
    log.show(GROUP, lambda: stream_of(job))
    status = ended["Phase"]
    if status == "Completed":
        return
    problem = find_problem(settings, uri) if status == "Stopped" else None
    if status == "Stopped" and not problem:
        say(f"{job} was stopped ({ended['SecondaryStatus']}) and saved its current model.")
        return
    reason = ended.get("FailureReason") or f"status {status} ({ended['SecondaryStatus']}); model: {problem or 'none'}"
    raise Failure(f"{job} failed: {reason}", f"Its log is above, and in CloudWatch: {GROUP}")


def find_problem(settings: Settings, uri: str) -> str | None:
    """Return what is wrong with the archive at an S3 URI, or None."""
    bucket, key = storage.split(uri)
    found = if_exists(client("s3").get_object, Bucket=bucket, Key=key)
    return archive.find_problem(found["Body"]) if found else "none"


def next_steps(settings: Settings, job: str, uri: str) -> str:
    """Return the commands that deploy the model. If deployments read it from S3, record it for the next one."""
    build, upload = hints.build_command(settings), COMMANDS["upload_model"]
    steps = f"{build} && {hints.deploy_command(settings)}"
    if upload == "upload_image":
        return f"aws s3 cp {hints.quote(uri)} - | tar -xzf - -C {hints.command_line('model')} && {steps}"
    if upload == "upload_many":
        record(settings, "target", job)
        folder = command_module("upload_model").require(settings).model_data
        return f"{hints.quote('aws', 's3', 'cp', uri, f'{folder}{job}.tar.gz')} && {steps}"
    record(settings, "model", uri)
    return f"{build} && {hints.deploy_command(settings, MODEL_DATA=uri)}"
