"""The model of a deployment, looked at before anything is made: its files in S3, or its revision on the Hub."""

from __future__ import annotations

import os

import resources
from aws import Failure, ask, client, recall, say, typed
from resources import text


def require_model_data() -> None:
    """MODEL_DATA, after a look whether a model lies there; without one MODEL_REVISION, that on the Hub."""
    model = resources.model_url() or recall("model")
    os.environ["MODEL_DATA"] = model
    if model:
        bucket, _, prefix = model.removeprefix("s3://").partition("/")
        if not any(is_there(bucket, prefix + name) for name in ("config.json", "params.json")):  # that of Mistral
            what = f"There is no model at {model}: it has no config.json."
            raise Failure(what, f"Upload one: {typed('upload_model.sh')}")
        return
    elsewhere = resources.elsewhere()
    if not elsewhere:
        raise Failure(f"No model was uploaded to {text('AWS_REGION')} yet.", f"First: {typed('upload_model.sh')}")
    os.environ.update(elsewhere)
    say(f"{text('MODEL_ID')} comes from the Hugging Face Hub, at its revision {text('MODEL_REVISION')}")


def is_there(bucket: str, key: str) -> bool:
    """Listed, for S3 says of a missing object that it is forbidden to those who may not list the whole bucket."""
    found = ask(client("s3").list_objects_v2, Bucket=bucket, Prefix=key, MaxKeys=1)
    return any(each["Key"] == key for each in found.get("Contents", ()))
