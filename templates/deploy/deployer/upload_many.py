"""Usage: deploy/upload_model.sh NAME

Packs model/NAME/, or all of model/ where files lie directly in it, and uploads it as the model NAME, which an endpoint
then answers for without a new deployment. Several models have a folder each. It goes to NAME.tar.gz in MODEL_DATA, by
default s3://S3_BUCKET/PROJECT_NAME/models/. Dot files stay out, links are refused.
Without S3_BUCKET it is the bucket sagemaker-REGION-ACCOUNT, which is made (encrypted, not public) if missing.

  NAME   letters, digits and . _ - after a letter or a digit

A model is not replaced by another of its name, for endpoints go on with what they have loaded.

Prints the S3 URI. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from deployer import archive, hints, storage
from deployer.aws import REFUSALS, Failure, ask, client, say, sign_in
from deployer.project import part
from deployer.requests.model_many import models_of
from deployer.settings import Settings
from deployer.state import recall, record

ALSO_UPLOADED = r"|models/[^/]+\.tar\.gz"  # more that `delete --all` removes of the project's folder in the bucket


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("name", metavar="NAME")


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Uploads a model; its place."""
    name = given.name.removesuffix(".tar.gz")
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]*", name):
        how = "Take letters, digits and . _ - after a letter or a digit."
        raise Failure(f"This cannot be the name of a model: {name}", how)
    folder = find_folder(name)
    storage.require_model(folder)
    settings = sign_in(settings)
    place = f"{models_of(settings)}{name}.tar.gz"
    bucket, key = storage.split(place)
    if len(key) > 1024:  # source: the lengths of keys in S3 and of TargetModel
        raise Failure(f"The name is too long: {place}", "A key in S3 has 1024 characters at most.")
    if bucket == settings.s3_bucket:
        storage.require_bucket(settings)
    put(replace(settings, s3_bucket=bucket), folder, key, name)
    record(settings, "target", name)
    say(f"Next: {hints.invoking(settings) if is_in_service(settings) else hints.deploying(settings)}")
    return place


def find_folder(name: str) -> Path:
    """The folder of the model. Raises Failure where there are others only."""
    own = storage.MODEL / name
    if own.is_dir():
        return own
    found = [path for path in archive.model_paths(storage.MODEL) if path.parent == storage.MODEL]
    folders = [path.name for path in found if path.is_dir()]
    if folders and len(folders) == len(found):
        how = f"Name one of them: {hints.command('upload_model', folders[0])}"
        raise Failure(f"There is no folder {own}; there are: {' '.join(folders[:5])}", how)
    return storage.MODEL


def put(settings: Settings, folder: Path, key: str, name: str) -> None:
    """Packs a folder and uploads it, unless it is there. Raises Failure where another model is."""
    say(f"Packing {folder}")
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch, "model.tar.gz")
        digest = archive.pack(folder, packed)
        found = ask(client("s3").head_object, Bucket=settings.s3_bucket, Key=key)
        if not found:
            storage.upload(settings, packed, key, sha256=digest)
        elif found.get("Metadata", {}).get("sha256") == digest:
            say("These files are uploaded already.")
        else:
            how = f"Endpoints that have loaded it would go on with it. Give this one a new name: {rename(folder, name)}"
            raise Failure(f"There is another model {name}: s3://{settings.s3_bucket}/{key}", how)


def rename(folder: Path, name: str) -> str:
    """The command that uploads these files under another name."""
    upload = hints.command("upload_model", f"{name}-2")
    if folder == storage.MODEL:
        return upload
    return f"mv {hints.typed(f'model/{name}')} {hints.typed(f'model/{name}-2')} && {upload}"


def is_in_service(settings: Settings) -> bool:
    """Whether the endpoint answers already."""
    try:
        return bool(part("deploy").look(settings).get("EndpointStatus") == "InService")
    except REFUSALS:
        return False


def require(settings: Settings) -> Settings:
    """The settings with MODEL_DATA, where the models lie or will lie."""
    return replace(settings, model_data=models_of(settings))


def uploading(settings: Settings) -> str:
    """The command that uploads a model; empty where one was uploaded."""
    return "" if recall(settings, "target") else hints.command("upload_model", "first")


def invoking(settings: Settings, request: str) -> str:
    """The command that sends a request to the model uploaded last, or to one that it uploads first."""
    upload, target = uploading(settings), recall(settings, "target") or "first"
    invoke = f"{hints.command('invoke', '--target-model', target)} {request}"
    return f"{upload} && {invoke}" if upload else invoke
