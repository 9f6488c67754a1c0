"""Where the time of a request goes: at SM_LOG_LEVEL=DEBUG the log has a line for each. Otherwise none of this runs."""

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from serving.logs import write_lines
from serving.request import Request

if TYPE_CHECKING:
    from serving.invocation import Invoker, Prepared

# In their order. decode and encode are a request's own: while those of others in its batch run, it is in wait, join or
# encode. write ends when the web server has written the answer, or has begun to write a stream.
STAGES = ("read", "wait", "decode", "join", "predict", "encode", "write")


def watch(invoker: "Invoker") -> None:
    """Has the ends of stages noted in `marks` of each request. In script mode all of the script's work is predict."""
    submit, begin, predict, respond = invoker.submit, invoker.begin, invoker.predict, invoker.respond
    work = "predict" if invoker.model.transform else "decode"
    latest = threading.local()  # prediction of a thread

    def timed_submit(request: Request) -> None:
        request.marks = {}
        note(request, "read")
        submit(request)

    def timed_begin(request: Request) -> Any:
        note(request, "wait")
        ready = begin(request)
        note(request, work)
        return ready

    def timed_predict(inputs: Any) -> Any:
        latest.start = time.perf_counter()
        outputs = predict(inputs)
        latest.end = time.perf_counter()
        return outputs

    def timed_respond(one: "Prepared", outputs: Any) -> None:
        note(one.request, "join", latest.start)
        note(one.request, "predict", latest.end)
        respond(one, outputs)
        note(one.request, "encode")

    invoker.submit, invoker.begin, invoker.predict = timed_submit, timed_begin, timed_predict
    setattr(invoker, "respond", timed_respond)  # noqa: B010 (mypy lets no method be replaced otherwise)


def note(request: Request, stage: str, end: float | None = None) -> None:
    """Notes when a stage ended: now, if not said."""
    if request.marks is not None:
        request.marks[stage] = end or time.perf_counter()


def write_stages(requests: Iterable[Request]) -> None:
    """One line for each request whose answer is written."""
    for request in requests:
        note(request, "write")
    write_lines("DEBUG", "stages", map(describe, requests))


def describe(request: Request) -> dict[str, object]:
    """The milliseconds of each stage, 0 for one that the request did not go through. Their sum is all of its time."""
    fields: dict[str, object] = {"id": request.inference_id} if request.inference_id else {}
    start = request.received
    for stage in STAGES:
        end = (request.marks or {}).get(stage, start)
        fields[stage] = round((end - start) * 1000, 3)
        start = end
    return fields
