"""Usage: deploy/invoke.sh --target-model NAME FILE [CONTENT-TYPE]

Sends FILE as one request to one of the endpoint's models. If the model is not loaded yet, this can take a while.

  NAME           as passed to upload_model.sh; without --target-model this lists the models that exist
  CONTENT-TYPE   default: inferred from the file extension: .json .jsonl .csv .npy .libsvm
  ACCEPT         (environment) the media type of the response, such as text/csv

Prints the response. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse

from deployer import hints, invoke
from deployer.aws import Failure, client, if_exists, sign_in
from deployer.requests.model_many import models_folder
from deployer.settings import Settings
from deployer.storage import split


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--target-model", metavar="NAME", default="")
    invoke.arguments(parser)


def run(settings: Settings, given: argparse.Namespace) -> bytes:
    """Send a file as one request to one of the endpoint's models. Return the response."""
    name = given.target_model.removesuffix(".tar.gz")
    if not name:
        raise unknown_target(sign_in(settings), "No model is named.")
    kind = invoke.content_type(given.file, given.content_type)
    settings = sign_in(settings)
    try:
        return invoke.invoke(settings, given.file, kind, TargetModel=f"{name}.tar.gz")
    except Failure as failure:
        what = str(failure.args[0])
        if " model data" in what and "(ModelError)" not in what:
            raise unknown_target(settings, f"There is no model {name}.") from None
        if "ModelNotReadyException" in what:
            raise Failure(what, "The model is still loading: try again in a minute.") from None
        raise


def unknown_target(settings: Settings, why: str) -> Failure:
    """Return the failure that lists the available models, from the first 50 objects."""
    uri = models_folder(settings)
    bucket, prefix = split(uri)
    request = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": 50}
    found = if_exists(client("s3").list_objects_v2, **request).get("Contents", [])
    keys = [each["Key"].removeprefix(prefix) for each in found]
    names = " ".join(key.removesuffix(".tar.gz") for key in keys if key.endswith(".tar.gz"))
    if not names:
        upload = hints.command("upload_model", "model-a")
        return Failure(f"{why} There are none in {uri} yet.", f"Upload one: {upload}")
    how = hints.command("invoke", "--target-model", "NAME", "FILE")
    return Failure(f"{why} Models in {uri}: {names}", f"Name one: {how}")
