"""Usage: deploy/upload_model.sh

Packs model/ into a model.tar.gz and uploads it to s3://S3_BUCKET/PROJECT_NAME/HASH/model.tar.gz. HASH is a hash of the
files, so the same files are uploaded only once. Hidden files are left out; links are refused.
S3_BUCKET defaults to sagemaker-REGION-ACCOUNT, which is created (encrypted, not public) if missing.

Prints the S3 URI. The next deployment uses it. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

from deployer import archive, hints, storage
from deployer.aws import Failure, client, if_exists, say, sign_in
from deployer.settings import Settings
from deployer.state import recall, record

ALSO_UPLOADED = ""  # other keys that `delete --all` removes, as a regular expression


def run(settings: Settings, _: argparse.Namespace) -> str:
    """Upload the model. Return its S3 URI."""
    storage.require_model()
    settings = sign_in(settings)
    storage.require_bucket(settings)
    say(f"Packing {storage.MODEL}")
    key = storage.upload_packed(settings, "", "model.tar.gz", partial(archive.pack, storage.MODEL))
    uri = f"s3://{settings.s3_bucket}/{key}"
    record(settings, "model", uri)
    say(f"Next: {hints.deploy_command(settings, MODEL_DATA=uri)}")
    return uri


def require(settings: Settings) -> Settings:
    """Return the settings with MODEL_DATA filled in. Raise Failure if the archive is missing or unusable."""
    own = recall(settings, "model")
    model = settings.model_data or own
    if not model:
        raise Failure(
            f"No model has been uploaded to {settings.aws_region} yet.", f"Run {hints.command('upload_model')} first."
        )
    bucket, key = storage.split(model)
    s3 = client("s3")
    found = if_exists(s3.head_object, Bucket=bucket, Key=key)
    if not found:
        raise Failure(f"There is no model at {model}", f"Upload it: {hints.command('upload_model')}")
    if model != own:  # our own archives are packed without links
        say(f"Reading {model} ({found['ContentLength']} bytes) to check it for links")
        if problem := archive.find_problem(s3.get_object(Bucket=bucket, Key=key)["Body"]):
            how = f"Pack it again: {hints.command('upload_model')} makes an archive that SageMaker accepts."
            raise Failure(f"SageMaker cannot unpack {model}: {problem}", how)
    return replace(settings, model_data=model)


def upload_command(settings: Settings) -> str:
    """Return the command that uploads a model; empty if one was uploaded."""
    return "" if settings.model_data or recall(settings, "model") else hints.command("upload_model")


def invoke_command(_: Settings, request: str) -> str:
    """Return the command that sends a request."""
    return f"{hints.command('invoke')} {request}"
