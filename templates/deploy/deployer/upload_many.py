"""Usage: deploy/upload_model.sh NAME

Packs model/NAME/ (or all of model/ if it directly contains files) and uploads it as the model NAME to NAME.tar.gz in
MODEL_DATA, which defaults to s3://S3_BUCKET/PROJECT_NAME/models/. The endpoint serves it without a new deployment.
Hidden files are left out; links are refused.
S3_BUCKET defaults to sagemaker-REGION-ACCOUNT, which is created (encrypted, not public) if missing.

  NAME   letters, digits and . _ - beginning with a letter or a digit

An uploaded model is never overwritten: endpoints would keep serving the version they have loaded.

Prints the S3 URI. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from deployer import archive, hints, storage
from deployer.aws import AWS_ERRORS, Failure, client, if_exists, say, sign_in
from deployer.project import command_module
from deployer.requests.model_many import models_folder
from deployer.settings import Settings
from deployer.state import recall, record

ALSO_UPLOADED = r"|models/[^/]+\.tar\.gz"  # more that `delete --all` removes of the project's folder in the bucket


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="NAME")


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Upload a model. Return its S3 URI."""
    name = given.name.removesuffix(".tar.gz")
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]*", name):
        how = "Use letters, digits and . _ - beginning with a letter or a digit."
        raise Failure(f"Not a valid model name: {name}", how)
    folder = find_folder(name)
    storage.require_model(folder)
    settings = sign_in(settings)
    uri = f"{models_folder(settings)}{name}.tar.gz"
    bucket, key = storage.split(uri)
    if len(key) > 1024:  # source: the maximum lengths of S3 keys and of TargetModel
        raise Failure(f"The name is too long: {uri}", "An S3 key has at most 1024 characters.")
    if bucket == settings.s3_bucket:
        storage.require_bucket(settings)
    put(replace(settings, s3_bucket=bucket), folder, key, name)
    record(settings, "target", name)
    say(f"Next: {hints.invoke_command(settings) if is_in_service(settings) else hints.deploy_command(settings)}")
    return uri


def find_folder(name: str) -> Path:
    """Return the folder of the model. Raise Failure if there are only folders of other names."""
    own = storage.MODEL / name
    if own.is_dir():
        return own
    found = [path for path in archive.model_paths(storage.MODEL) if path.parent == storage.MODEL]
    folders = [path.name for path in found if path.is_dir()]
    if folders and len(folders) == len(found):
        how = f"Upload one of them: {hints.command('upload_model', folders[0])}"
        raise Failure(f"There is no folder {own}; found: {' '.join(folders[:5])}", how)
    return storage.MODEL


def put(settings: Settings, folder: Path, key: str, name: str) -> None:
    """Pack a folder and upload it, unless it was uploaded. Raise Failure if another model has the name."""
    say(f"Packing {folder}")
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch, "model.tar.gz")
        digest = archive.pack(folder, packed)
        found = if_exists(client("s3").head_object, Bucket=settings.s3_bucket, Key=key)
        if not found:
            storage.upload(settings, packed, key, sha256=digest)
        elif found.get("Metadata", {}).get("sha256") == digest:
            say("These files were already uploaded.")
        else:
            how = f"Endpoints would keep serving the one they have loaded. Use a new name: {rename(folder, name)}"
            raise Failure(f"There is already another model {name}: s3://{settings.s3_bucket}/{key}", how)


def rename(folder: Path, name: str) -> str:
    """Return the command that uploads these files under another name."""
    upload = hints.command("upload_model", f"{name}-2")
    if folder == storage.MODEL:
        return upload
    return f"mv {hints.command_line(f'model/{name}')} {hints.command_line(f'model/{name}-2')} && {upload}"


def is_in_service(settings: Settings) -> bool:
    """Whether the endpoint is in service."""
    try:
        return bool(command_module("deploy").describe(settings).get("EndpointStatus") == "InService")
    except AWS_ERRORS:
        return False


def require(settings: Settings) -> Settings:
    """Return the settings with MODEL_DATA, the folder of the models in S3. It can still be empty."""
    return replace(settings, model_data=models_folder(settings))


def upload_command(settings: Settings) -> str:
    """Return the command that uploads a model; empty if one was uploaded."""
    return "" if recall(settings, "target") else hints.command("upload_model", "model-a")


def invoke_command(settings: Settings, request: str) -> str:
    """Return the command that sends a request to the model uploaded last, preceded by an upload if there is none."""
    upload, target = upload_command(settings), recall(settings, "target") or "model-a"
    invoke = f"{hints.command('invoke', '--target-model', target)} {request}"
    return f"{upload} && {invoke}" if upload else invoke
