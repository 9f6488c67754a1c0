"""Usage: deploy/invoke.sh [--stream] FILE [CONTENT-TYPE]

Sends FILE to the endpoint as one request.

  --stream       prints the text as it is generated
  CONTENT-TYPE   what is in it; without it, by the ending: .json

Prints the answer. Settings: deploy/settings.env.
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
from deployer.aws import Failure, client, let_pipe_end, sign_in
from deployer.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("--stream", action="store_true")
    invoke.arguments(parser)


def run(settings: Settings, given: argparse.Namespace) -> bytes:
    """Sends a file as one request; the answer, or what is left of it to print."""
    kind = invoke.content_type(given.file, given.content_type)
    if given.stream:
        return stream(sign_in(settings), given.file)
    return invoke.invoke(sign_in(settings), given.file, kind)


def stream(settings: Settings, file: str) -> bytes:
    """Prints the text of the answer; what is left to print is nothing. Raises Failure where there is no answer."""
    try:
        request = {**json.loads(Path(file).read_bytes()), "stream": True}
    except (ValueError, TypeError) as error:
        raise Failure(f"{file} is not a request that can be streamed: {error}", "It has to be a JSON object.") from None
    body = json.dumps(request).encode()
    let_pipe_end()
    try:
        answer = client("sagemaker-runtime").invoke_endpoint_with_response_stream(
            EndpointName=settings.deployment, ContentType="application/json", Body=body
        )
        for piece in pieces(answer["Body"]):
            sys.stdout.buffer.write(piece.encode())
            sys.stdout.buffer.flush()
    except (ClientError, EventStreamError) as error:
        raise invoke.unanswered(settings, error) from None
    except (HTTPError, ValueError) as error:
        raise Failure(f"The answer broke off: {error}", "The container's log has more.") from None
    return b""


def pieces(events: Any) -> Iterator[str]:
    """The text in the server-sent events that the parts of the stream make up. Raises Failure without a last one."""
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
        raise Failure("The answer ended before the model was done.", "The container's log has more.")


def is_last(event: Any) -> bool:
    """Whether an event ends a text: [DONE] of chats and completions, the whole text of the classic form."""
    return event is None or event.get("generated_text") is not None


def text_in(event: Any) -> str:
    """The new text of an event: of a chat, a completion, or the classic form."""
    if "error" in event:
        raise Failure(f"The model stopped: {event['error']}", "The container's log has more.")
    if "choices" in event:
        return "".join(each.get("text") or each.get("delta", {}).get("content") or "" for each in event["choices"])
    return str((event.get("token") or {}).get("text", ""))
