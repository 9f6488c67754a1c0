"""Usage: deploy/invoke.sh FILE [CONTENT-TYPE]

Sends FILE to the endpoint as one request.

  CONTENT-TYPE   what is in it; without it, by the ending: .json .jsonl .csv .npy .libsvm
  ACCEPT         (environment) what the answer should be, such as text/csv

Prints the answer. Settings: deploy/settings.env.
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
    """What every command takes that sends a file."""
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("content_type", metavar="CONTENT-TYPE", nargs="?", default="")


def run(settings: Settings, given: argparse.Namespace) -> bytes:
    """Sends a file as one request; the answer."""
    kind = content_type(given.file, given.content_type)
    return invoke(sign_in(settings), given.file, kind)


def content_type(file: str, given: str) -> str:
    """The content type of a request, by the ending of its file if none is given. Raises Failure."""
    if not os.access(file, os.R_OK) or not Path(file).is_file():
        raise Failure(f"There is no file to read at {file}", "Give the path of a request.")
    kind = given or CONTENT_TYPES.get(Path(file).suffix.lower(), "")
    if not kind:
        how = f"Give it: {hints.command('invoke', 'FILE', 'CONTENT-TYPE')}"
        raise Failure(f"Cannot infer the content type of {file}.", how)
    return kind


def accept() -> dict[str, str]:
    """What the answer should be, where ACCEPT says it."""
    return {"Accept": os.environ["ACCEPT"]} if os.environ.get("ACCEPT") else {}


def invoke(settings: Settings, file: str, kind: str, **more: Any) -> bytes:
    """Sends a file as one request; the answer. Raises Failure where there is none."""
    request = {"EndpointName": settings.deployment, "ContentType": kind, **accept(), **more}
    try:
        runtime = client("sagemaker-runtime")
        answer: bytes = runtime.invoke_endpoint(**request, Body=Path(file).read_bytes())["Body"].read()
    except ClientError as error:
        raise unanswered(settings, error) from None
    return answer


def unanswered(settings: Settings, error: ClientError) -> Failure:
    """What an endpoint says that does not answer, and what to do."""
    hint = f"Is it deployed in {settings.aws_region}? {hints.deploying(settings)}"
    if error.response["Error"]["Code"].startswith("Model"):
        hint = f"The container's log is in CloudWatch: /aws/sagemaker/Endpoints/{settings.deployment}"
    return Failure(str(error), hint)
