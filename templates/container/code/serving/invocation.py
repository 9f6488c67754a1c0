"""From requests to responses: content, decode, predict (for several requests at once), encode, content.

A web server creates one Invoker per process, submits requests to it, and gets them back with their responses.
"""

import itertools
import logging
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import orjson

from serving import batching, content, logs, metrics_server, stages
from serving.advice import explain_missing
from serving.errors import HandlerFailed, Overloaded, ServingError
from serving.media_types import JSON_LINES, choose_response_type
from serving.models import Model
from serving.request import CURRENT, Request, Response, Stream
from serving.settings import Settings

log = logging.getLogger(__name__)

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
COMPARED_BATCHES = 3  # in the first few batches, two requests are also predicted alone, to compare the results
MAX_ATTRIBUTES = 1024  # characters (SageMaker: CustomAttributes)


class Prepared(NamedTuple):
    """A request that is ready to be predicted."""

    request: Request
    media_type: str  # of the response
    inputs: Any
    rows: int
    kind: Hashable  # requests of the same kind can be predicted together; None: predict alone


class Invoker:
    """Answers requests, in batches where possible. A request that fails gets an error as its response."""

    def __init__(self, model: Model, settings: Settings, deliver: Callable[[list[Request]], object]) -> None:
        """`deliver` is called in a prediction thread with requests as soon as they have their responses."""
        self.model = model
        self.settings = settings
        self.deliver = deliver
        self.response_types = (model.media_type,) if model.media_type else settings.response_types
        self.batcher = batching.Batcher(
            self.run,
            threads=settings.threads,
            max_requests=settings.batch_rows if model.batching else 1,
            max_waiting=settings.max_waiting,
            max_waiting_bytes=4 * settings.max_body,
        )
        self.submit = self.batcher.submit
        self.predict, self.batches_to_compare = model.predict, COMPARED_BATCHES if model.proves_batching else 0
        self.begin: Callable[[Request], Any] = self.prepare
        if model.transform:
            self.begin = partial(answer_whole, model.transform)
        if log.isEnabledFor(logging.DEBUG):
            stages.watch(self)

    def run(self, requests: list[Request]) -> None:
        """Answer requests taken from the queue."""
        prepared = [ready for request in requests if (ready := run_step(request, self.begin, request))]
        self.finish([request for request in requests if request.response])
        for group in form_groups(prepared, self.settings.batch_rows):
            if len(group) == 1 or not self.predict_together(group):
                for one in group:
                    run_step(one.request, self.predict_alone, one)
                    self.finish([one.request])

    def prepare(self, request: Request) -> Prepared:
        """Parse the headers and the body, and decode the records with the handler."""
        media_type = choose_response_type(request.accept, self.response_types)
        records, request.parameters = content.decode(request.body, request.content_type, self.model.decoders)
        inputs = self.model.decode(records)
        rows, kind = batching.count(inputs), batching.shape_of(inputs)
        if kind and request.parameters:
            kind = kind, orjson.dumps(request.parameters, option=orjson.OPT_SORT_KEYS)
        return Prepared(request, media_type, inputs, rows or 0, kind)

    def predict_together(self, group: Sequence[Prepared]) -> bool:
        """Answer several requests with one prediction. Return False if each must be predicted alone."""
        CURRENT.set(group[0].request)
        counts = [one.rows for one in group]
        try:
            inputs = batching.join([one.inputs for one in group])
            outputs = metrics_server.measure(self.predict, inputs, sum(counts), group[0].request)
        except (Exception, SystemExit):
            return False  # predicting each alone shows which request caused the error
        if (parts := batching.split(outputs, counts)) is None:
            return self.stop_batching("did not return one entry per record for a batch of requests")
        if self.batches_to_compare and not self.matches_alone(group, parts):
            return self.stop_batching("returned different predictions for a batch than for its requests alone")
        for one, part in zip(group, parts, strict=True):
            one.request.batch_requests = len(group)
            run_step(one.request, self.respond, one, part)
        self.finish([one.request for one in group])
        return True

    def matches_alone(self, group: Sequence[Prepared], parts: Sequence[Any]) -> bool:
        """Return whether the first and last request get the same outputs alone. If not, axis 0 may not be records."""
        for one, part in ((group[0], parts[0]), (group[-1], parts[-1])):
            CURRENT.set(one.request)
            try:
                if not batching.are_close(self.model.predict(one.inputs), part):
                    return False
            except (Exception, SystemExit):
                return False
        if not batching.are_close(group[0].inputs, group[-1].inputs):  # identical inputs show nothing
            self.batches_to_compare -= 1
        return True

    def stop_batching(self, reason: str) -> bool:
        """Turn batching off. Return False, so that the current batch is predicted one by one, too."""
        log.warning(
            f"predict() {reason}. Batching is turned off: these requests are now predicted one by one, as are all "
            "later requests, which is slower. Set BATCHING = False in model_handler.py to turn it off from the start."
        )
        self.batcher.max_requests = 1
        return False

    def predict_alone(self, one: Prepared) -> None:
        """Answer one request."""
        self.respond(one, metrics_server.measure(self.predict, one.inputs, one.rows, one.request))

    def respond(self, one: Prepared, outputs: Any) -> None:
        """Encode the outputs with the handler and set the response."""
        body: bytes | Stream
        if isinstance(outputs, Iterator):
            body, media_type = self.stream(one.request, outputs)
        else:
            encoded, media_type = self.model.encode(outputs), one.media_type
            is_body = self.model.media_type and isinstance(encoded, (bytes, str))
            body = to_bytes(encoded) if is_body else content.encode(encoded, media_type)
        one.request.response = Response(200, body, media_type, response_headers(one.request))

    def stream(self, request: Request, outputs: Iterator[Any]) -> tuple[Stream, str]:
        """Return a streamed response and its type. The first piece is made here: an error in it sets the status."""
        encoded = map(self.model.encode, outputs)
        first = list(itertools.islice(encoded, 1))
        media_type = self.model.media_type or type_of_pieces(first)
        return Stream(request, write_pieces(itertools.chain(first, encoded), outputs)), media_type

    def finish(self, requests: list[Request]) -> None:
        """Log answered requests, then deliver them, if there are any.

        Logging first keeps this thread from competing for the GIL with the web server, which then writes the responses.
        A stream is always delivered alone and logged at its end.
        """
        if not requests:
            return
        metrics_server.count_responses(requests)
        response = requests[0].response
        if response and isinstance(response.body, Stream):
            self.deliver(requests)
            response.body.closed.wait()
            logs.write_requests(requests)
        else:
            logs.write_requests(requests)
            self.deliver(requests)


def run_step(request: Request, step: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a step. If it fails, set an error as the response, log a bug's traceback and return None."""
    CURRENT.set(request)
    try:
        return step(*arguments)
    except ServingError as error:
        request.response = refuse(error)
    except (Exception, SystemExit) as error:  # sys.exit() in a handler must not end the server
        log.exception(f"The handler failed. {explain_missing(error)}".rstrip())
        request.response = refuse(HandlerFailed())
    return None


def answer_whole(transform: Callable[[Request], Response], request: Request) -> None:
    """Answer a request in script mode. Returns None: nothing is left to predict."""
    response = metrics_server.measure(transform, request, 1, request)
    request.response = replace(response, headers={**response.headers, **response_headers(request)})


def form_groups(prepared: Sequence[Prepared], max_rows: int) -> Iterator[list[Prepared]]:
    """Group requests to predict together: of one kind, up to `max_rows` records."""
    groups: dict[Hashable, list[Prepared]] = {}
    for number, one in enumerate(prepared):
        groups.setdefault(one.kind or number, []).append(one)
    for alike in groups.values():
        group, rows = [alike[0]], alike[0].rows
        for one in alike[1:]:
            rows += one.rows
            if rows > max_rows:
                yield group
                group, rows = [], one.rows
            group.append(one)
        yield group


def refuse(error: ServingError) -> Response:
    """Return the response for an error: {"error": "..."}."""
    headers = {}
    if isinstance(error, Overloaded):
        metrics_server.REFUSED.inc()
        headers["Retry-After"] = "1"
    return Response(error.status, orjson.dumps({error.key: str(error)}), headers=headers)


def execution_parameters(settings: Settings) -> Response:
    """Answer GET /execution-parameters (SageMaker: concurrent transforms x payload is at most 100 MB)."""
    parameters = {
        "MaxConcurrentTransforms": min(16, settings.workers * settings.threads),
        "BatchStrategy": "MultiRecord",
        "MaxPayloadInMB": min(6, settings.max_body // 2**20),
    }
    return Response(200, orjson.dumps(parameters))


def response_headers(request: Request) -> Mapping[str, str]:
    """Return the headers of a response: X-Amzn-SageMaker-Custom-Attributes, if the handler set it."""
    value = request.response_attributes
    if value is None:
        return {}
    if not (value.isascii() and value.isprintable() and len(value) <= MAX_ATTRIBUTES):
        raise ValueError(f"response_attributes must be at most {MAX_ATTRIBUTES} printable ASCII characters: {value!r}")
    return {CUSTOM_ATTRIBUTES: value}


def type_of_pieces(pieces: Sequence[Any]) -> str:
    """Return the media type of a stream if the handler does not set one."""
    if pieces and not isinstance(pieces[0], (bytes, str)):
        return JSON_LINES
    return "application/octet-stream" if pieces and isinstance(pieces[0], bytes) else "text/plain; charset=utf-8"


def write_pieces(encoded: Iterator[Any], outputs: Iterator[Any]) -> Generator[bytes, None, None]:
    """Yield the pieces as bytes and close the handler's generator at the end."""
    try:
        yield from map(to_bytes, encoded)
    finally:
        if isinstance(outputs, Generator):
            outputs.close()


def to_bytes(value: Any) -> bytes:
    """Return bytes unchanged, text in UTF-8, anything else as a line of JSON."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else content.to_json_line(value)
