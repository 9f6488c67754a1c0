"""The model of a deployment: an archive in S3, looked at before anything is made."""

from __future__ import annotations

import os
import re

import resources
from aws import Failure, ask, client, recall, say, typed
from model_archive import find_fault
from resources import text

MODEL = re.compile(r"s3://([^/]+)/(.+\.tar\.gz)")


def require_model_data() -> None:
    """MODEL_DATA, after a look whether the archive is there and what is in it."""
    own = recall("model")
    model = (resources.model_url() or own) if text("MODEL_DELIVERY") == "s3" else ""
    os.environ["MODEL_DATA"] = model
    if text("MODEL_DELIVERY") != "s3":
        return
    if not model:
        raise Failure(f"No model was uploaded to {text('AWS_REGION')} yet.", f"First: {typed('upload_model.sh')}")
    place = MODEL.fullmatch(model)
    if not place:  # where many models lie, or will lie
        return
    object_ = {"Bucket": place[1], "Key": place[2]}
    found = ask(client("s3").head_object, **object_)
    if not found:
        raise Failure(f"There is no such model: {model}", f"Upload it: {typed('upload_model.sh')}")
    if model == own:  # upload_model.sh has packed it
        return
    say(f"Reading {model} ({found['ContentLength']} bytes): has it links?")
    if fault := find_fault(client("s3").get_object(**object_)["Body"]):
        how = f"Pack it again with the files themselves: {typed('upload_model.sh')} does so."
        raise Failure(f"SageMaker would not unpack {model}: {fault}", how)
