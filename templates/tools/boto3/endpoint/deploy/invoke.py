"""How deploy.py asks the endpoint: one request, one answer."""

from __future__ import annotations

from pathlib import Path

import aws
import checks
import resources
from aws import Failure, typed
from botocore.exceptions import ClientError
from resources import Json, text

OPTIONS: Json = {}  # beside the request


def invoke(file: str, content_type: str) -> bytes:
    """Sends a file as one request; the answer. Without a content type the file's ending says it."""
    kind = checks.require_request(file, content_type)
    accept = {"Accept": text("ACCEPT")} if text("ACCEPT") else {}
    request = {"EndpointName": resources.deployment(), "ContentType": kind, "Body": Path(file).read_bytes(), **accept}
    try:
        answer: bytes = aws.client("sagemaker-runtime").invoke_endpoint(**request)["Body"].read()
    except ClientError as error:
        hint = f"Is it deployed in {text('AWS_REGION')}? {typed('deploy.py', 'deploy')}"
        if error.response["Error"]["Code"] == "ModelError":
            hint = f"The container's log is in CloudWatch: /aws/sagemaker/Endpoints/{resources.deployment()}"
        raise Failure(str(error), hint) from None
    return answer
