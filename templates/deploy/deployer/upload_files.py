"""Usage: deploy/upload_model.sh [FOLDER]

Copies the files of a language model, uncompressed, to s3://S3_BUCKET/PROJECT_NAME/model/HASH/. HASH is a hash of the
files, so the same files are uploaded only once. Hidden files are left out. SageMaker downloads the files into the
container's /opt/ml/model. S3_BUCKET defaults to sagemaker-REGION-ACCOUNT, which is created (encrypted, not public) if
missing.

  FOLDER   default: model/. If that is empty, MODEL_ID is first downloaded into it from the Hugging Face Hub. This
           needs huggingface_hub (pip install huggingface_hub), which uses its stored token or HF_TOKEN.

Prints the S3 URI. The next deployment uses it. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Container
from dataclasses import replace
from pathlib import Path, PurePosixPath

from deployer import archive, hints, hub, storage
from deployer.aws import Failure, client, if_exists, say, sign_in
from deployer.requests.model_files import Settings
from deployer.state import recall, record

ALSO_UPLOADED = ""  # other keys that `delete --all` removes, as a regular expression


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default="")


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Upload the model. Return its S3 URI."""
    folder = Path(given.folder) if given.folder else storage.MODEL
    if given.folder and not folder.is_dir():
        raise Failure(f"There is no folder {folder}.", "Pass the folder of a model, with its config.json.")
    if not given.folder and settings.model_id:
        folder.mkdir(exist_ok=True)
        hub.fetch(settings, folder)
    storage.require_model(folder)
    digest = examine(settings, folder)
    settings = sign_in(settings)
    storage.require_bucket(settings)
    prefix = f"{settings.project_name}/model/{digest}/"
    uri = f"s3://{settings.s3_bucket}/{prefix}"
    say(f"Copying {folder} to {uri}")
    copy(settings, folder, prefix)
    record(settings, "model", uri)
    say(f"Next: {hints.deploy_command(settings, MODEL_DATA=uri)}")
    return uri


def copy(settings: Settings, folder: Path, prefix: str) -> None:
    """Upload the files that are missing or have another size."""
    s3 = client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.s3_bucket, Prefix=prefix)
    there = {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}
    for file in archive.model_files(folder):
        key = prefix + file.relative_to(folder).as_posix()
        if there.get(key) != file.stat().st_size:
            storage.upload(settings, file, key)


# --- what is in the folder -------------------------------------------------------------------------------------------
def examine(settings: Settings, folder: Path) -> str:
    """Return the SHA-256 of all names and contents. Raise Failure if an engine could not load the folder."""
    names = {file.relative_to(folder).as_posix(): file for file in archive.model_files(folder)}
    if not {"config.json", "params.json"} & set(names):  # Transformers', Mistral's
        raise Failure(f"There is no model in {folder}: config.json is missing.")
    if not hub.takes_pickles(settings) and not any(name.endswith(".safetensors") for name in names):
        raise Failure(f"There are no .safetensors files in {folder}; {hub.PICKLES}")
    for name, file in names.items():
        if name.endswith(".safetensors.index.json") and (missing := missing_shards(name, file, names)):
            what = f"Files of the model are missing in {folder}: {', '.join(missing)}, listed in {name}."
            raise Failure(what)
    digest = hashlib.sha256()
    for name, file in names.items():
        digest.update(f"{len(name)} {name} {file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def missing_shards(name: str, index: Path, names: Container[str]) -> list[str]:
    """Return the files that an index lists and the folder lacks. Raise Failure if the index cannot be read."""
    try:
        shards = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        paths = [PurePosixPath(name).with_name(shard).as_posix() for shard in shards]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failure(f"{name} cannot be read as an index of weights.") from None
    return [path for path in paths if path not in names]


# --- deployments -----------------------------------------------------------------------------------------------------
def require(settings: Settings) -> Settings:
    """Return the settings with MODEL_DATA, or with MODEL_REVISION for a model of the Hub. Raise Failure."""
    model = settings.model_data or recall(settings, "model")
    if model:
        if not any(exists(settings, model + name) for name in ("config.json", "params.json")):  # Mistral's
            what = f"There is no model at {model}: config.json is missing."
            raise Failure(what, f"Upload one: {hints.command('upload_model')}")
        return replace(settings, model_data=model)
    if not settings.model_id:
        what = f"No model has been uploaded to {settings.aws_region} yet."
        raise Failure(what, f"First: {hints.command('upload_model')}")
    settings = replace(settings, model_revision=hub.revision(settings))
    say(f"The container downloads {settings.model_id} from the Hugging Face Hub, revision {settings.model_revision}")
    return settings


def exists(settings: Settings, uri: str) -> bool:
    """Whether an object exists. HeadObject would return 403 without permission to list the whole bucket."""
    bucket, key = storage.split(uri)
    found = if_exists(client("s3").list_objects_v2, Bucket=bucket, Prefix=key, MaxKeys=1)
    return any(each["Key"] == key for each in found.get("Contents", ()))


def upload_command(settings: Settings) -> str:
    """Return the command that uploads a model; empty if one was uploaded or the settings name one."""
    there = settings.model_data or settings.model_id or recall(settings, "model")
    return "" if there else hints.command("upload_model")


def invoke_command(_: Settings, request: str) -> str:
    """Return the command that sends a request."""
    return f"{hints.command('invoke')} {request}"
