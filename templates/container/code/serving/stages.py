"""Measures the stages of each request. They are logged at SM_LOG_LEVEL=DEBUG; at other levels this is not run."""

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from serving.logs import write_lines
from serving.request import Request

if TYPE_CHECKING:
    from serving.invocation import Invoker, Prepared

# In order. decode and encode run for one request at a time: meanwhile, the batch's other requests are in wait, join or
# encode. write ends when the web server has written the response, or has started to write a stream.
STAGES = ("read", "wait", "decode", "join", "predict", "encode", "write")


def watch(invoker: "Invoker") -> None:
    """Record the end of each stage in the `marks` of a request. In script mode, predict covers all of the script."""
    submit, begin, predict, respond = invoker.submit, invoker.begin, invoker.predict, invoker.respond
    work = "predict" if invoker.model.transform else "decode"
    latest = threading.local()  # start and end of the thread's last prediction

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
    setattr(invoker, "respond", timed_respond)  # noqa: B010 (mypy forbids assigning to a method)


def note(request: Request, stage: str, end: float | None = None) -> None:
    """Record when a stage ended; by default now."""
    if request.marks is not None:
        request.marks[stage] = end or time.perf_counter()


def write_stages(requests: Iterable[Request]) -> None:
    """Log one line per request whose response has been written."""
    for request in requests:
        note(request, "write")
    write_lines("DEBUG", "stages", map(describe, requests))


def describe(request: Request) -> dict[str, object]:
    """Return the milliseconds of each stage, 0 for a skipped one. They add up to the total time of the request."""
    fields: dict[str, object] = {"id": request.inference_id} if request.inference_id else {}
    start = request.received
    for stage in STAGES:
        end = (request.marks or {}).get(stage, start)
        fields[stage] = round((end - start) * 1000, 3)
        start = end
    return fields
