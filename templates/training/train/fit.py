#!/usr/bin/env python3
"""Trains a model in a SageMaker training job, with boto3, and follows it to its end.

TRAIN and VALIDATION are csv files or folders of them, which are uploaded, or places in S3 (s3://BUCKET/PREFIX).
Prints where the model.tar.gz is, which the next deployment takes. Settings: deploy/settings.sh.
What SageMaker is asked for is in deploy/resources.py: training_job().
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy"))

import aws
import bucket
import model_archive
import resources
from aws import Failure, recall, say, typed
from resources import HERE, Json, text

GROUP = "/aws/sagemaker/TrainingJobs"
BUILDERS = ("submit_build.sh", "build_and_push.sh")


def fit(given: argparse.Namespace) -> str:
    """Runs the job; the place of its model."""
    require_all(given)
    name = text("PROJECT_NAME")[:40]
    job = f"{name}-{time.strftime('%Y%m%d%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    os.environ["TRAIN_JOB"] = job
    request = resources.training_job()
    say(
        f"Cost: 1 x {text('TRAIN_INSTANCE_TYPE')} in {text('AWS_REGION')} bills until the job's end, at most for"
        f" {text('TRAIN_SECONDS')} s. Prices: https://aws.amazon.com/sagemaker/pricing/"
    )
    aws.client("sagemaker").create_training_job(**request)
    place = f"{request['OutputDataConfig']['S3OutputPath']}/{job}/output/model.tar.gz"
    try:
        follow(job, place)
    except KeyboardInterrupt:
        stop = f"aws sagemaker stop-training-job --region {text('AWS_REGION')} --training-job-name {job}"
        say(f"\n{job} goes on, and bills. To stop it: {stop}\nIts model will be {place}")
        raise
    aws.record("role", text("ROLE_ARN"))
    say(f"Next: {next_steps(place)}")
    return place


# --- what it needs ---------------------------------------------------------------------------------------------------
def require_all(given: argparse.Namespace) -> None:
    """Checks role, image and data, and leaves in the environment what resources.py reads."""
    role = given.role or text("ROLE_ARN") or recall("role")
    if not role:
        how = f"Name one: --role arn:aws:iam::ACCOUNT:role/NAME, or make one: {typed('iam/create_role.sh')}"
        raise Failure("There is no role for SageMaker to take on.", how)
    image = text("TRAIN_IMAGE_URI") or recall("train-image")
    if not image:
        remote = (HERE / "submit_build.sh").exists()
        how = f"First: {typed('submit_build.sh', 'train') if remote else typed('../train/build_and_push.sh')}"
        raise Failure(f"No training image was pushed to {text('AWS_REGION')} yet.", how)
    pairs = dict(pair.partition("=")[::2] for pair in given.hyperparameter)
    os.environ.update(ROLE_ARN=role, TRAIN_IMAGE_URI=image, HYPERPARAMETERS=json.dumps(pairs))
    bucket.require_bucket()
    for setting, source in (("TRAIN_DATA", given.train), ("VALIDATION_DATA", given.validation)):
        if source := source or text(setting):
            os.environ[setting] = require_data(source)
    if not text("TRAIN_DATA"):
        raise Failure("There is nothing to train on.", "Name a csv file, a folder or a place in S3; --help says more.")


def require_data(source: str) -> str:
    """A place in S3 that holds something; what is here is uploaded."""
    if not source.startswith("s3://"):
        path = Path(source)
        if path.is_file():
            return bucket.upload_by_content(path, "data")
        if not path.is_dir() or not any(model_archive.model_files(path)):
            raise Failure(f"There is no file, and no folder with files, at {source}", "Give the path of csv files.")
        return bucket.upload_folder(path, "data")
    name, _, prefix = source.removeprefix("s3://").partition("/")
    if not aws.ask(aws.client("s3").list_objects_v2, Bucket=name, Prefix=prefix, MaxKeys=1).get("Contents"):
        raise Failure(f"There is nothing in S3 at {source}", "Upload it, or name another place.")
    return source


def hyperparameter(text: str) -> str:
    if not text.partition("=")[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return text


# --- the job ---------------------------------------------------------------------------------------------------------
class Log:
    """The job's log, as far as it may be read: each line is shown once."""

    def __init__(self, job: str) -> None:
        self.job = job
        self.position: Json = {}

    def show(self) -> None:
        logs, group = aws.client("logs"), {"logGroupName": GROUP}
        try:
            if not self.position:
                streams = logs.describe_log_streams(**group, logStreamNamePrefix=f"{self.job}/")["logStreams"]
                if not streams:
                    return
                self.position = {"logStreamName": streams[0]["logStreamName"], "startFromHead": True}
            while True:
                answer = logs.get_log_events(**group, **self.position)
                for event in answer["events"]:
                    say(f"  | {event['message'].rstrip()}")
                if answer["nextForwardToken"] == self.position.get("nextToken"):
                    return
                self.position["nextToken"] = answer["nextForwardToken"]
        except aws.REFUSALS:  # it does not exist yet, or may not be read: the job goes on all the same
            return


def follow(job: str, place: str) -> None:
    """Waits for the end of the job. Raises Failure with SageMaker's reason where there is no model."""
    log = Log(job)

    def look() -> Json:
        found = aws.client("sagemaker").describe_training_job(TrainingJobName=job)
        log.show()
        phase = found.get("SecondaryStatus", "")
        changing = all(map(aws.CHANGING.search, (phase, found["TrainingJobStatus"])))
        return {**found, "Phase": phase if changing else found["TrainingJobStatus"]}

    ended = aws.wait(job, "Phase", look)
    time.sleep(resources.polling_interval())  # the last lines may come after the end
    log.show()
    status = ended["Phase"]
    if status == "Completed":
        return
    fault = find_fault(place) if status == "Stopped" else None
    if status == "Stopped" and not fault:
        say(f"{job} was stopped ({ended['SecondaryStatus']}) and has saved the model as it was then.")
        return
    reason = ended.get("FailureReason") or f"it is {status} ({ended['SecondaryStatus']}); its model: {fault or 'none'}"
    raise Failure(f"{job} failed: {reason}", f"Its log is above, and in CloudWatch: {GROUP}")


def find_fault(place: str) -> str | None:
    name, _, key = place.removeprefix("s3://").partition("/")
    found = aws.ask(aws.client("s3").get_object, Bucket=name, Key=key)
    return model_archive.find_fault(found["Body"]) if found else "there is none"


def next_steps(place: str) -> str:
    """What deploys the model. Where that takes the model from S3, it takes this one from now on."""
    build = typed(next(name for name in BUILDERS if (HERE / name).exists()))
    deploy = aws.deployment()
    if text("MODEL_DELIVERY") == "image":
        return f"aws s3 cp {place} - | tar -xzf - -C {typed('../model')} && {build} && {deploy}"
    if "Mode" in resources.model_data():  # one of many
        aws.record("target", text("TRAIN_JOB"))
        return f"aws s3 cp {place} {resources.model_url()}{text('TRAIN_JOB')}.tar.gz && {build} && {deploy}"
    aws.record("model", place)
    return f"{build} && {deploy}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", metavar="TRAIN", nargs="?", default="", help="default: TRAIN_DATA of the settings")
    parser.add_argument("--validation", default="", help="default: VALIDATION_DATA of the settings")
    parser.add_argument("--hyperparameter", metavar="NAME=VALUE", type=hyperparameter, action="append", default=[])
    parser.add_argument("--role", metavar="ARN", default="", help="default: ROLE_ARN, or what create_role.sh made")
    given = parser.parse_args()
    aws.run(lambda: fit(given).encode())
