"""Usage: deploy/upload_model.sh

Packs model/ into a model.tar.gz and uploads it to s3://S3_BUCKET/PROJECT_NAME/HASH/model.tar.gz, where HASH is that of
the files: the same files are uploaded once. Dot files stay out, links are refused.
Without S3_BUCKET it is the bucket sagemaker-REGION-ACCOUNT, which is made (encrypted, not public) if missing.

Prints the S3 URI, which is deployed next. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

from deployer import archive, hints, storage
from deployer.aws import Failure, ask, client, say, sign_in
from deployer.settings import Settings
from deployer.state import recall, record

ALSO_UPLOADED = ""  # more that `delete --all` removes of the project's folder in the bucket, as a regular expression


def run(settings: Settings, _: argparse.Namespace) -> str:
    """Uploads the model; its place."""
    storage.require_model()
    settings = sign_in(settings)
    storage.require_bucket(settings)
    say(f"Packing {storage.MODEL}")
    key = storage.upload_packed(settings, "", "model.tar.gz", partial(archive.pack, storage.MODEL))
    place = f"s3://{settings.s3_bucket}/{key}"
    record(settings, "model", place)
    say(f"Next: {hints.deploying(settings, MODEL_DATA=place)}")
    return place


def require(settings: Settings) -> Settings:
    """The settings with MODEL_DATA, after a look whether the archive is there and what is in it."""
    own = recall(settings, "model")
    model = settings.model_data or own
    if not model:
        raise Failure(f"No model was uploaded to {settings.aws_region} yet.", f"First: {hints.command('upload_model')}")
    bucket, key = storage.split(model)
    s3 = client("s3")
    found = ask(s3.head_object, Bucket=bucket, Key=key)
    if not found:
        raise Failure(f"There is no such model: {model}", f"Upload it: {hints.command('upload_model')}")
    if model != own:  # that one was packed here
        say(f"Reading {model} ({found['ContentLength']} bytes): has it links?")
        if fault := archive.find_fault(s3.get_object(Bucket=bucket, Key=key)["Body"]):
            how = f"Pack it again with the files themselves: {hints.command('upload_model')} does so."
            raise Failure(f"SageMaker would not unpack {model}: {fault}", how)
    return replace(settings, model_data=model)


def uploading(settings: Settings) -> str:
    """The command that uploads a model; empty where one was uploaded."""
    return "" if settings.model_data or recall(settings, "model") else hints.command("upload_model")


def invoking(_: Settings, request: str) -> str:
    """The command that sends a request."""
    return f"{hints.command('invoke')} {request}"
