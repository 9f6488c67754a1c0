"""Usage: deploy/invoke.sh FILE [CONTENT-TYPE]

Puts FILE into the endpoint's queue as one request and waits for the answer, at most ANSWER_SECONDS.

  CONTENT-TYPE   what is in it; without it, by the ending: .json .jsonl .csv .npy .libsvm
  ACCEPT         (environment) what the answer should be, such as text/csv

Prints the answer, which also stays in S3. Settings: deploy/settings.env.
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
    """Sends a file as one request and waits; the answer."""
    kind = invoke.content_type(given.file, given.content_type)
    settings = sign_in(settings)
    storage.require_bucket(settings)
    place = storage.upload_by_content(settings, Path(given.file), "async/input")
    request = {"EndpointName": settings.deployment, "ContentType": kind, **invoke.accept()}
    try:
        queued = client("sagemaker-runtime").invoke_endpoint_async(**request, InputLocation=place)
    except ClientError as error:
        raise invoke.unanswered(settings, error) from None
    say(f"In the queue; the answer will be at {queued['OutputLocation']}")
    return wait_for_answer(settings, queued["OutputLocation"], queued.get("FailureLocation", ""))


def wait_for_answer(settings: Settings, output: str, failure: str) -> bytes:
    """What comes to `output`. Raises Failure with what comes to `failure`, or where nothing comes in time."""
    began, due = time.monotonic(), 30.0
    while (answer := storage.read(settings, output)) is None:
        if failure and (reason := storage.read(settings, failure)) is not None:
            hint = f"The container's log is in CloudWatch: /aws/sagemaker/Endpoints/{settings.deployment}"
            raise Failure(reason.decode(errors="replace"), hint)
        waited, seconds = time.monotonic() - began, settings.answer_seconds
        if waited >= seconds:
            raise Failure(
                f"No answer within {seconds} s.", f"It may come yet: {hints.quote('aws', 's3', 'cp', output, '-')}"
            )
        if waited >= due:
            say(f"Waiting for the answer ({waited:.0f} s)")
            due = waited + 30
        time.sleep(settings.poll_seconds)
    return answer
