"""Usage: deploy/invoke.sh [--stream] FILE [CONTENT-TYPE]

Sends FILE to the endpoint as one request.

  --stream       print the text as it is generated
  CONTENT-TYPE   default: inferred from the file extension: .json

Prints the response. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, EventStreamError
from urllib3.exceptions import HTTPError

from deployer import invoke
from deployer.aws import Failure, client, exit_on_closed_pipe, sign_in
from deployer.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--stream", action="store_true")
    invoke.arguments(parser)


def run(settings: Settings, given: argparse.Namespace) -> bytes:
    """Send a file as one request. Return the response, or nothing if it was streamed."""
    kind = invoke.content_type(given.file, given.content_type)
    if given.stream:
        return stream(sign_in(settings), given.file)
    return invoke.invoke(sign_in(settings), given.file, kind)


def stream(settings: Settings, file: str) -> bytes:
    """Print the text of the response as it arrives, and return an empty result. Raise Failure."""
    try:
        request = {**json.loads(Path(file).read_bytes()), "stream": True}
    except (ValueError, TypeError) as error:
        raise Failure(f"{file} is not a request that can be streamed: {error}", "It must be a JSON object.") from None
    body = json.dumps(request).encode()
    exit_on_closed_pipe()
    try:
        response = client("sagemaker-runtime").invoke_endpoint_with_response_stream(
            EndpointName=settings.deployment, ContentType="application/json", Body=body
        )
        for piece in pieces(response["Body"]):
            sys.stdout.buffer.write(piece.encode())
            sys.stdout.buffer.flush()
    except (ClientError, EventStreamError) as error:
        raise invoke.invocation_failure(settings, error) from None
    except (HTTPError, ValueError) as error:
        raise Failure(f"The response was interrupted: {error}", "Details are in the container's log.") from None
    return b""


def pieces(events: Any) -> Iterator[str]:
    """Yield the text of the server-sent events in a stream. Raise Failure if there is no final event."""
    rest, ended = b"", False
    for part in events:
        *lines, rest = (rest + part.get("PayloadPart", {}).get("Bytes", b"")).split(b"\n")
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if not line.startswith(b"data:"):
                continue
            event = None if data == b"[DONE]" else json.loads(data)
            ended = ended or is_last(event)
            yield "" if event is None else text_in(event)
    if not ended:
        raise Failure("The response ended before the model was done.", "Details are in the container's log.")


def is_last(event: Any) -> bool:
    """Whether an event is the final one: [DONE], or generated_text in the Hugging Face (TGI) format."""
    return event is None or event.get("generated_text") is not None


def text_in(event: Any) -> str:
    """Return the new text of an event: of a chat, a completion or TGI. Raise Failure for an error."""
    if "error" in event:
        raise Failure(f"The model returned an error: {event['error']}", "Details are in the container's log.")
    if "choices" in event:
        return "".join(each.get("text") or each.get("delta", {}).get("content") or "" for each in event["choices"])
    return str((event.get("token") or {}).get("text", ""))
