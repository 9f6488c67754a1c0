"""Usage: deploy/upload_model.sh [FOLDER]

Copies the files of a language model, as they are, to s3://S3_BUCKET/PROJECT_NAME/model/HASH/, where HASH is that of
the files: the same files are uploaded once. Dot files stay out. SageMaker then downloads them next to the image.
Without S3_BUCKET it is the bucket sagemaker-REGION-ACCOUNT, which is made (encrypted, not public) if missing.

  FOLDER   without it, model/; where that is empty, MODEL_ID is fetched from the Hugging Face Hub into it first, by
           huggingface_hub (pip install huggingface_hub), with the token that it knows or HF_TOKEN

Prints the S3 URI, which is deployed next. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Container
from dataclasses import replace
from pathlib import Path, PurePosixPath

from deployer import archive, hints, hub, storage
from deployer.aws import Failure, ask, client, say, sign_in
from deployer.requests.model_files import Settings
from deployer.state import recall, record

ALSO_UPLOADED = ""  # more that `delete --all` removes of the project's folder in the bucket, as a regular expression


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default="")


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Uploads the model; its place."""
    folder = Path(given.folder) if given.folder else storage.MODEL
    if given.folder and not folder.is_dir():
        raise Failure(f"There is no folder {folder}.", "Name that of a model, with its config.json.")
    if not given.folder and settings.model_id:
        folder.mkdir(exist_ok=True)
        hub.fetch(settings, folder)
    storage.require_model(folder)
    digest = examine(settings, folder)
    settings = sign_in(settings)
    storage.require_bucket(settings)
    prefix = f"{settings.project_name}/model/{digest}/"
    place = f"s3://{settings.s3_bucket}/{prefix}"
    say(f"Copying {folder} to {place}")
    copy(settings, folder, prefix)
    record(settings, "model", place)
    say(f"Next: {hints.deploying(settings, MODEL_DATA=place)}")
    return place


def copy(settings: Settings, folder: Path, prefix: str) -> None:
    """Uploads what is not there yet."""
    s3 = client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=settings.s3_bucket, Prefix=prefix)
    there = {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}
    for file in archive.model_files(folder):
        key = prefix + file.relative_to(folder).as_posix()
        if there.get(key) != file.stat().st_size:
            storage.upload(settings, file, key)


# --- what is in the folder -------------------------------------------------------------------------------------------
def examine(settings: Settings, folder: Path) -> str:
    """The SHA-256 of all names and contents. Raises Failure where it does not hold a model as an engine takes it."""
    names = {file.relative_to(folder).as_posix(): file for file in archive.model_files(folder)}
    if not {"config.json", "params.json"} & set(names):  # of Transformers, of Mistral
        raise Failure(f"In {folder} is no model: there is no config.json.")
    if not hub.takes_pickles(settings) and not any(name.endswith(".safetensors") for name in names):
        raise Failure(f"In {folder} are no .safetensors files; {hub.PICKLES}")
    for name, file in names.items():
        if name.endswith(".safetensors.index.json") and (missing := missing_shards(name, file, names)):
            what = f"In {folder} a part of the model is missing: {', '.join(missing)}, which {name} names."
            raise Failure(what)
    digest = hashlib.sha256()
    for name, file in names.items():
        digest.update(f"{len(name)} {name} {file.stat().st_size}\n".encode())
        with file.open("rb") as content:
            while block := content.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def missing_shards(name: str, index: Path, names: Container[str]) -> list[str]:
    """Files that an index names and that are missing. Raises Failure."""
    try:
        shards = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        paths = [PurePosixPath(name).with_name(shard).as_posix() for shard in shards]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Failure(f"{name} cannot be read as an index of weights.") from None
    return [path for path in paths if path not in names]


# --- deployments -----------------------------------------------------------------------------------------------------
def require(settings: Settings) -> Settings:
    """The settings with MODEL_DATA, after a look whether a model lies there; without one MODEL_REVISION, on the Hub."""
    model = settings.model_data or recall(settings, "model")
    if model:
        if not any(is_there(settings, model + name) for name in ("config.json", "params.json")):  # that of Mistral
            what = f"There is no model at {model}: it has no config.json."
            raise Failure(what, f"Upload one: {hints.command('upload_model')}")
        return replace(settings, model_data=model)
    if not settings.model_id:
        what = f"No model was uploaded to {settings.aws_region} yet."
        raise Failure(what, f"First: {hints.command('upload_model')}")
    settings = replace(settings, model_revision=hub.revision(settings))
    say(f"{settings.model_id} comes from the Hugging Face Hub, at its revision {settings.model_revision}")
    return settings


def is_there(settings: Settings, place: str) -> bool:
    """Listed, for S3 says of a missing object that it is forbidden to those who may not list the whole bucket."""
    bucket, key = storage.split(place)
    found = ask(client("s3").list_objects_v2, Bucket=bucket, Prefix=key, MaxKeys=1)
    return any(each["Key"] == key for each in found.get("Contents", ()))


def uploading(settings: Settings) -> str:
    """The command that uploads a model; empty where there is one, or a place for it."""
    there = settings.model_data or settings.model_id or recall(settings, "model")
    return "" if there else hints.command("upload_model")


def invoking(_: Settings, request: str) -> str:
    """The command that sends a request."""
    return f"{hints.command('invoke')} {request}"
