"""How deploy.py asks the endpoint: the request goes to S3 and into the queue, the answer comes from S3."""

from __future__ import annotations

import time
from pathlib import Path

import aws
import bucket
import checks
import resources
from aws import Failure, say, typed
from botocore.exceptions import ClientError
from resources import Json, number, text

OPTIONS: Json = {}  # beside the request


def invoke(file: str, content_type: str) -> bytes:
    """Sends a file as one request; the answer, which also stays in S3. Waits for it for ANSWER_SECONDS at most."""
    kind = checks.require_request(file, content_type)
    seconds, pause = number("ANSWER_SECONDS", 1, 10**6), resources.polling_interval()
    bucket.require_bucket()
    accept = {"Accept": text("ACCEPT")} if text("ACCEPT") else {}
    request = {"EndpointName": resources.deployment(), "ContentType": kind, **accept}
    place = bucket.upload_by_content(Path(file), "async/input")
    try:
        queued = aws.client("sagemaker-runtime").invoke_endpoint_async(**request, InputLocation=place)
    except ClientError as error:
        hint = f"Is it deployed in {text('AWS_REGION')}? {typed('deploy.py', 'deploy')}"
        raise Failure(str(error), hint) from None
    say(f"In the queue; the answer will be at {queued['OutputLocation']}")
    return wait_for_answer(queued["OutputLocation"], queued.get("FailureLocation", ""), seconds, pause)


def wait_for_answer(output: str, failure: str, seconds: int, pause: float) -> bytes:
    began, due = time.monotonic(), 30.0
    while (answer := bucket.read(output)) is None:
        if failure and (reason := bucket.read(failure)) is not None:
            hint = f"The container's log is in CloudWatch: /aws/sagemaker/Endpoints/{resources.deployment()}"
            raise Failure(reason.decode(errors="replace"), hint)
        waited = time.monotonic() - began
        if waited >= seconds:
            raise Failure(f"No answer within {seconds} s.", f"It may come yet: aws s3 cp {output} -")
        if waited >= due:
            say(f"Waiting for the answer ({waited:.0f} s)")
            due = waited + 30
        time.sleep(pause)
    return answer
