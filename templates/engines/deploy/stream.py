#!/usr/bin/env python3
"""Usage: stream.py FILE

Sends FILE, a request in JSON, to the endpoint and prints the text as it is generated. invoke.sh --stream calls it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws
import resources
from aws import Failure
from botocore.exceptions import ClientError, EventStreamError
from resources import text


def stream(file: str) -> bytes:
    """Prints the text of the answer; what is left to print is nothing. Raises Failure where there is no answer."""
    try:
        request = {**json.loads(Path(file).read_text()), "stream": True}
    except (ValueError, TypeError) as error:
        raise Failure(f"{file} is not a request that can be streamed: {error}", "It has to be a JSON object.") from None
    try:
        answer = aws.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
            EndpointName=resources.deployment(), ContentType="application/json", Body=json.dumps(request).encode()
        )
        for piece in pieces(answer["Body"]):
            print(piece, end="", flush=True)
    except (ClientError, EventStreamError) as error:
        hint = f"Is it deployed in {text('AWS_REGION')}? {aws.deployment()}"
        if error.response["Error"]["Code"].startswith("Model"):
            hint = f"The container's log is in CloudWatch: /aws/sagemaker/Endpoints/{resources.deployment()}"
        raise Failure(str(error), hint) from None
    return b""


def pieces(events: Any) -> Iterator[str]:
    """The text in the server-sent events that the parts of the stream make up."""
    rest = b""
    for part in events:
        *lines, rest = (rest + part.get("PayloadPart", {}).get("Bytes", b"")).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != b"[DONE]":
                yield text_in(json.loads(data))


def text_in(event: Any) -> str:
    """The new text of an event: of a chat, a completion, or the classic form."""
    if "error" in event:
        raise Failure(f"The model stopped: {event['error']}", "The container's log has more.")
    if "choices" in event:
        return "".join(each.get("text") or each.get("delta", {}).get("content") or "" for each in event["choices"])
    return str((event.get("token") or {}).get("text", ""))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    aws.run(lambda: stream(sys.argv[1]))
