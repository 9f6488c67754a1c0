"""How deploy.py asks the endpoint: one request, one answer, or its text as it is generated."""

from __future__ import annotations

from pathlib import Path

import aws
import checks
import resources
from aws import Failure, typed
from botocore.exceptions import ClientError
from resources import Json, text
from stream import stream as stream_answer

OPTIONS: Json = {"--stream": {"action": "store_true", "help": "print the text as it is generated"}}


def invoke(file: str, content_type: str, stream: bool = False) -> bytes:
    """Sends a file as one request; the answer. With --stream the text is printed as it is generated."""
    kind = checks.require_request(file, content_type)
    if stream:
        return stream_answer(file)
    request = {"EndpointName": resources.deployment(), "ContentType": kind, "Body": Path(file).read_bytes()}
    try:
        answer: bytes = aws.client("sagemaker-runtime").invoke_endpoint(**request)["Body"].read()
    except ClientError as error:
        hint = f"Is it deployed in {text('AWS_REGION')}? {typed('deploy.py', 'deploy')}"
        if error.response["Error"]["Code"] == "ModelError":
            hint = f"The container's log is in CloudWatch: /aws/sagemaker/Endpoints/{resources.deployment()}"
        raise Failure(str(error), hint) from None
    return answer
