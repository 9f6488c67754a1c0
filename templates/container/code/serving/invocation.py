"""From requests to answers: content, decode, predict (for several requests at once), encode, content.

Every web server makes one Invoker in each of its processes, submits its requests and is given them back answered.
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
from serving.media_types import JSON_LINES, choose_answer
from serving.models import Model
from serving.request import CURRENT, Answer, Request, Stream
from serving.settings import Settings

log = logging.getLogger(__name__)

CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
PROOFS = 3  # first batches in which two requests are also predicted alone: are their answers the same?
MOST_ATTRIBUTES = 1024  # characters (SageMaker: CustomAttributes)


class Prepared(NamedTuple):
    """A request that is ready to be predicted."""

    request: Request
    media_type: str  # of the answer
    inputs: Any
    rows: int
    kind: Hashable  # requests of one kind can be predicted together; None: with no other


class Invoker:
    """Has requests predicted, together where that can be. What goes wrong is an answer, too."""

    def __init__(self, model: Model, settings: Settings, deliver: Callable[[list[Request]], object]) -> None:
        """`deliver` is called in a prediction thread with requests that have their answers, as soon as they have."""
        self.model = model
        self.settings = settings
        self.deliver = deliver
        self.answers = (model.media_type,) if model.media_type else settings.answers
        self.batcher = batching.Batcher(
            self.run,
            threads=settings.threads,
            most=settings.batch_rows if model.batching else 1,
            max_waiting=settings.waiting,
            max_waiting_bytes=4 * settings.max_body,
        )
        self.submit = self.batcher.submit
        self.predict, self.unproven = model.predict, PROOFS if model.proves_batching else 0
        self.begin: Callable[[Request], Any] = self.prepare
        if model.transform:
            self.begin = partial(answer_whole, model.transform)
        if log.isEnabledFor(logging.DEBUG):
            stages.watch(self)

    def run(self, requests: list[Request]) -> None:
        """Answers what was taken from the queue."""
        prepared = [ready for request in requests if (ready := attempt(request, self.begin, request))]
        self.finish([request for request in requests if request.answer])
        for group in form_groups(prepared, self.settings.batch_rows):
            if len(group) == 1 or not self.predict_together(group):
                for one in group:
                    attempt(one.request, self.predict_alone, one)
                    self.finish([one.request])

    def prepare(self, request: Request) -> Prepared:
        """Reads the headers and the body, and lets the handler decode the records."""
        media_type = choose_answer(request.accept, self.answers)
        records, request.parameters = content.decode(request.body, request.content_type, self.model.decoders)
        inputs = self.model.decode(records)
        rows, kind = batching.count(inputs), batching.shape_of(inputs)
        if kind and request.parameters:
            kind = kind, orjson.dumps(request.parameters, option=orjson.OPT_SORT_KEYS)
        return Prepared(request, media_type, inputs, rows or 0, kind)

    def predict_together(self, group: Sequence[Prepared]) -> bool:
        """Answers several requests with one prediction. False if each has to be predicted alone."""
        CURRENT.set(group[0].request)
        counts = [one.rows for one in group]
        try:
            inputs = batching.join([one.inputs for one in group])
            outputs = metrics_server.measure(self.predict, inputs, sum(counts), group[0].request)
        except (Exception, SystemExit):
            return False  # whose error it is shows when each is predicted alone
        if (parts := batching.split(outputs, counts)) is None:
            return self.predict_apart("did not return one entry for each record of several requests")
        if self.unproven and not self.prove(group, parts):
            return self.predict_apart("answered records of several requests otherwise than alone")
        for one, part in zip(group, parts, strict=True):
            one.request.together = len(group)
            attempt(one.request, self.respond, one, part)
        self.finish([one.request for one in group])
        return True

    def prove(self, group: Sequence[Prepared], parts: Sequence[Any]) -> bool:
        """Whether the first and the last get the same answer alone: the first axis may not count records."""
        for one, part in ((group[0], parts[0]), (group[-1], parts[-1])):
            CURRENT.set(one.request)
            try:
                if not batching.agree(self.model.predict(one.inputs), part):
                    return False
            except (Exception, SystemExit):
                return False
        if not batching.agree(group[0].inputs, group[-1].inputs):  # the same ones would prove nothing
            self.unproven -= 1
        return True

    def predict_apart(self, reason: str) -> bool:
        """From now on each request is predicted alone. False: those at hand are to be, too."""
        log.warning(
            f"predict() {reason}, so that these are predicted again one by one, which is slower, as is every request "
            "from now on. BATCHING = False in model_handler.py spares them the first time."
        )
        self.batcher.most = 1
        return False

    def predict_alone(self, one: Prepared) -> None:
        """Answers one request."""
        self.respond(one, metrics_server.measure(self.predict, one.inputs, one.rows, one.request))

    def respond(self, one: Prepared, outputs: Any) -> None:
        """Lets the handler encode the outputs, and writes the answer."""
        body: bytes | Stream
        if isinstance(outputs, Iterator):
            body, media_type = self.stream(one.request, outputs)
        else:
            encoded, media_type = self.model.encode(outputs), one.media_type
            as_it_is = self.model.media_type and isinstance(encoded, (bytes, str))
            body = to_bytes(encoded) if as_it_is else content.encode(encoded, media_type)
        one.request.answer = Answer(200, body, media_type, answer_headers(one.request))

    def stream(self, request: Request, outputs: Iterator[Any]) -> tuple[Stream, str]:
        """An answer in pieces, and its media type. The first piece is made now, so that its failure has a status."""
        encoded = map(self.model.encode, outputs)
        first = list(itertools.islice(encoded, 1))
        media_type = self.model.media_type or type_of_pieces(first)
        return Stream(request, write_pieces(itertools.chain(first, encoded), outputs)), media_type

    def finish(self, requests: list[Request]) -> None:
        """Logs answered requests and gives them back, if there are any.

        In this order, so that this thread has nothing left to do while the web server, which shares the interpreter
        with it, writes the answers. A stream, which is always given back alone, is logged at its end.
        """
        if not requests:
            return
        metrics_server.count_answers(requests)
        answer = requests[0].answer
        if answer and isinstance(answer.body, Stream):
            self.deliver(requests)
            answer.body.closed.wait()
            logs.write_requests(requests)
        else:
            logs.write_requests(requests)
            self.deliver(requests)


def attempt(request: Request, step: Callable[..., Any], *arguments: Any) -> Any:
    """What a step for this request returns; None if it fails, which is its answer then. The log has a bug's story."""
    CURRENT.set(request)
    try:
        return step(*arguments)
    except ServingError as error:
        request.answer = refuse(error)
    except (Exception, SystemExit) as error:  # sys.exit() in a handler must not end the server
        log.exception(f"The handler failed. {explain_missing(error)}".rstrip())
        request.answer = refuse(HandlerFailed())
    return None


def answer_whole(transform: Callable[[Request], Answer], request: Request) -> None:
    """Answers a request in script mode; nothing is left to predict."""
    answer = metrics_server.measure(transform, request, 1, request)
    request.answer = replace(answer, headers={**answer.headers, **answer_headers(request)})


def form_groups(prepared: Sequence[Prepared], most_rows: int) -> Iterator[list[Prepared]]:
    """Those that are predicted together: of one kind, and up to `most_rows` records."""
    groups: dict[Hashable, list[Prepared]] = {}
    for number, one in enumerate(prepared):
        groups.setdefault(one.kind or number, []).append(one)
    for alike in groups.values():
        group, rows = [alike[0]], alike[0].rows
        for one in alike[1:]:
            rows += one.rows
            if rows > most_rows:
                yield group
                group, rows = [], one.rows
            group.append(one)
        yield group


def refuse(error: ServingError) -> Answer:
    """The answer for an error: {"error": "..."}."""
    headers = {}
    if isinstance(error, Overloaded):
        metrics_server.REFUSED.inc()
        headers["Retry-After"] = "1"
    return Answer(error.status, orjson.dumps({error.key: str(error)}), headers=headers)


def tell_batch_transform(settings: Settings) -> Answer:
    """The answer for GET /execution-parameters (SageMaker: concurrent transforms x payload is at most 100 MB)."""
    parameters = {
        "MaxConcurrentTransforms": min(16, settings.workers * settings.threads),
        "BatchStrategy": "MultiRecord",
        "MaxPayloadInMB": 6,
    }
    return Answer(200, orjson.dumps(parameters))


def answer_headers(request: Request) -> Mapping[str, str]:
    """What the handler wants to go back in X-Amzn-SageMaker-Custom-Attributes."""
    value = request.answer_attributes
    if value is None:
        return {}
    if not (value.isascii() and value.isprintable() and len(value) <= MOST_ATTRIBUTES):
        raise ValueError(f"answer_attributes takes up to {MOST_ATTRIBUTES} printable ASCII characters: {value!r}")
    return {CUSTOM_ATTRIBUTES: value}


def type_of_pieces(pieces: Sequence[Any]) -> str:
    """The media type of a stream whose handler names none."""
    if pieces and not isinstance(pieces[0], (bytes, str)):
        return JSON_LINES
    return "application/octet-stream" if pieces and isinstance(pieces[0], bytes) else "text/plain; charset=utf-8"


def write_pieces(encoded: Iterator[Any], outputs: Iterator[Any]) -> Generator[bytes, None, None]:
    """The pieces as bytes: texts and bytes as they are, anything else as a line of JSON."""
    try:
        yield from map(to_bytes, encoded)
    finally:
        if isinstance(outputs, Generator):
            outputs.close()


def to_bytes(value: Any) -> bytes:
    """A text in UTF-8, bytes as they are, anything else as a line of JSON."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else content.to_json_line(value)
