"""Usage: deploy/invoke.sh FILE [CONTENT-TYPE]

Sends FILE to the endpoint as one request.

  CONTENT-TYPE   default: inferred from the file extension: .json .jsonl .csv .npy .libsvm
  ACCEPT         (environment) the media type of the response, such as text/csv

Prints the response. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deployer import hints
from deployer.aws import Failure, client, sign_in
from deployer.settings import Settings

CONTENT_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".jsonlines": "application/jsonlines",
    ".csv": "text/csv",
    ".npy": "application/x-npy",
    ".libsvm": "text/libsvm",
    ".svmlight": "text/libsvm",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every command that sends a file."""
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("content_type", metavar="CONTENT-TYPE", nargs="?", default="")


def run(settings: Settings, given: argparse.Namespace) -> bytes:
    """Send a file as one request. Return the response."""
    kind = content_type(given.file, given.content_type)
    return invoke(sign_in(settings), given.file, kind)


def content_type(file: str, given: str) -> str:
    """Return the content type given, or infer it from the file extension. Raise Failure if that is not possible."""
    if not os.access(file, os.R_OK) or not Path(file).is_file():
        raise Failure(f"Cannot read {file}.", "Pass the path of a request file.")
    kind = given or CONTENT_TYPES.get(Path(file).suffix.lower(), "")
    if not kind:
        how = f"Pass it: {hints.command('invoke', 'FILE', 'CONTENT-TYPE')}"
        raise Failure(f"Cannot infer the content type of {file}.", how)
    return kind


def accept() -> dict[str, str]:
    """Return the Accept parameter, if ACCEPT is set."""
    return {"Accept": os.environ["ACCEPT"]} if os.environ.get("ACCEPT") else {}


def invoke(settings: Settings, file: str, kind: str, **more: Any) -> bytes:
    """Send a file as one request. Return the response. Raise Failure if the endpoint returns an error."""
    request = {"EndpointName": settings.deployment, "ContentType": kind, **accept(), **more}
    try:
        runtime = client("sagemaker-runtime")
        response: bytes = runtime.invoke_endpoint(**request, Body=Path(file).read_bytes())["Body"].read()
    except ClientError as error:
        raise invocation_failure(settings, error) from None
    return response


def invocation_failure(settings: Settings, error: ClientError) -> Failure:
    """Return the failure for an error of the endpoint, with what to do."""
    hint = f"Check that {settings.deployment} is deployed in {settings.aws_region}. To deploy it, run "
    hint += hints.deploy_command(settings)
    if error.response["Error"]["Code"].startswith("Model"):
        hint = f"The container's log is in CloudWatch: /aws/sagemaker/Endpoints/{settings.deployment}"
    return Failure(str(error), hint)
