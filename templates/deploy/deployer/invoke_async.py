"""Usage: deploy/invoke.sh FILE [CONTENT-TYPE]

Puts FILE into the endpoint's queue as one request and waits for the response, at most ANSWER_SECONDS.

  CONTENT-TYPE   default: inferred from the file extension: .json .jsonl .csv .npy .libsvm
  ACCEPT         (environment) the media type of the response, such as text/csv

Prints the response, which is also kept in S3. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from botocore.exceptions import ClientError

from deployer import hints, invoke, storage
from deployer.aws import Failure, client, say, sign_in
from deployer.requests.asynchronous import Settings

arguments = invoke.arguments


def run(settings: Settings, given: argparse.Namespace) -> bytes:
    """Queue a file as one request and wait. Return the response."""
    kind = invoke.content_type(given.file, given.content_type)
    settings = sign_in(settings)
    storage.require_bucket(settings)
    uri = storage.upload_by_content(settings, Path(given.file), "async/input")
    request = {"EndpointName": settings.deployment, "ContentType": kind, **invoke.accept()}
    try:
        queued = client("sagemaker-runtime").invoke_endpoint_async(**request, InputLocation=uri)
    except ClientError as error:
        raise invoke.invocation_failure(settings, error) from None
    say(f"Queued; the response will be written to {queued['OutputLocation']}")
    return wait_for_response(settings, queued["OutputLocation"], queued.get("FailureLocation", ""))


def wait_for_response(settings: Settings, output: str, failure: str) -> bytes:
    """Return what SageMaker writes to `output`. Raise Failure with what it writes to `failure`, or on timeout."""
    began, due = time.monotonic(), 30.0
    while (response := storage.read(settings, output)) is None:
        if failure and (reason := storage.read(settings, failure)) is not None:
            hint = f"The container's log is in CloudWatch: /aws/sagemaker/Endpoints/{settings.deployment}"
            raise Failure(reason.decode(errors="replace"), hint)
        waited, seconds = time.monotonic() - began, settings.answer_seconds
        if waited >= seconds:
            fetch = hints.quote("aws", "s3", "cp", output, "-")
            raise Failure(f"No response within {seconds} s.", f"It can still arrive: {fetch}")
        if waited >= due:
            say(f"Waiting for the response ({waited:.0f} s)")
            due = waited + 30
        time.sleep(settings.poll_seconds)
    return response
