"""serving/invocation.py: from requests to answers, without a web server; and the log it writes."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from project import wait_for

from serving import logs, settings
from serving.errors import BadRequest, Overloaded, TooLarge
from serving.invocation import Invoker, execution_parameters, refuse
from serving.media_types import JSON_LINES
from serving.models import Model
from serving.request import Request, Response, Stream, StreamBroken, current

SECRET = "secret"
SETTINGS = settings.read({"SM_WORKERS": "2"}, Path("/nonexistent"))


def keep(value: Any) -> Any:
    return value


def model(predict: Callable[[Any], Any], **others: Any) -> Model:
    return Model(**{"decode": keep, "predict": predict, "encode": keep, **others})


def ask(served: Model, *requests: Request) -> list[Response]:
    """The answers to requests taken from the queue together."""
    invoker = Invoker(served, SETTINGS, lambda _: None)
    invoker.batches_to_compare = 0
    invoker.run(list(requests))
    return [request.response for request in requests if request.response]


def answer(predict: Callable[[Any], Any], body: bytes = b"[[1, 2]]", **headers: str) -> Response:
    return ask(model(predict), Request(body, **headers))[0]


def fail(error: BaseException) -> Callable[[Any], Any]:
    def predict(_: Any) -> Any:
        raise error

    return predict


def add(inputs: Any) -> list[Any]:
    return [sum(record) for record in inputs]


def test_a_valid_request_is_answered() -> None:
    good = answer(add, accept="text/csv")
    assert (good.status, good.media_type, good.body) == (200, "text/csv", b"3\n")


@pytest.mark.parametrize(
    ("error", "status"),
    [(BadRequest("Too long."), 400), (ValueError(SECRET), 500), (SystemExit(SECRET), 500), (MemoryError(SECRET), 500)],
)
def test_an_error_in_the_handler_reveals_nothing_to_the_client(error: BaseException, status: int) -> None:
    bad = answer(fail(error))
    assert isinstance(bad.body, bytes)
    assert bad.status == status
    assert list(json.loads(bad.body)) == ["error"]
    assert SECRET not in bad.body.decode()


def test_outputs_that_cannot_be_encoded_are_a_handler_bug() -> None:
    assert answer(lambda _: object()).status == 500


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[[1]]", {"accept": "image/png"}, 406),
        (b"[[1]]", {"content_type": "text/html"}, 415),
    ],
)
def test_client_errors_have_their_statuses(body: bytes, headers: dict[str, str], status: int) -> None:
    assert answer(lambda inputs: inputs, body, **headers).status == status


def test_refusals_name_the_retry_delay_or_the_size_limit() -> None:
    assert refuse(Overloaded()).headers == {"Retry-After": "1"}
    assert refuse(TooLarge(25 * 2**20)).body == b'{"error":"The body is larger than 25 MB."}'


def test_execution_parameters_are_answered() -> None:
    body = execution_parameters(SETTINGS).body
    assert isinstance(body, bytes)
    assert json.loads(body) == {"MaxConcurrentTransforms": 2, "BatchStrategy": "MultiRecord", "MaxPayloadInMB": 6}


class Counted:
    """A predict function that remembers the number of records of each call."""

    def __init__(self, predict: Callable[[Any], Any]) -> None:
        self.predict = predict
        self.calls: list[int] = []

    def __call__(self, inputs: Any) -> Any:
        self.calls.append(len(inputs))
        return self.predict(inputs)


def bodies(answers: list[Response]) -> list[Any]:
    return [json.loads(each.body)["predictions"] for each in answers if isinstance(each.body, bytes)]


def test_queued_requests_are_predicted_together_and_answered_separately() -> None:
    predict = Counted(add)
    requests = [Request(b"[[1, 2]]"), Request(b"[[3, 4], [5, 6]]"), Request(b"7,8", "text/csv")]
    assert bodies(ask(model(predict), *requests)) == [[3], [7, 11], [15]]
    assert predict.calls == [4]
    assert [request.batch_requests for request in requests] == [3, 3, 3]


def test_a_bad_record_fails_only_its_own_request() -> None:
    def predict(inputs: Any) -> Any:
        if [0, 0] in inputs:
            raise BadRequest("Zeros.")
        return add(inputs)

    answers = ask(model(predict), Request(b"[[1, 2]]"), Request(b"[[0, 0]]"), Request(b"{"), Request(b"[[3, 4]]"))
    assert [each.status for each in answers] == [200, 400, 400, 200]
    assert answers[0].body == b'{"predictions":[3]}\n'
    assert answers[3].body == b'{"predictions":[7]}\n'


def test_a_failure_to_encode_fails_only_its_own_request() -> None:
    def encode(outputs: Any) -> Any:
        return [1 / (outputs[0] - 3)]

    answers = ask(model(add, encode=encode), Request(b"[[1, 2]]"), Request(b"[[2]]"))
    assert [each.status for each in answers] == [500, 200]


def test_outputs_without_one_entry_per_record_turn_batching_off() -> None:
    predict = Counted(lambda inputs: {"mean": float(np.mean(inputs))})
    requests = [Request(b"[[1, 2]]"), Request(b"[[3, 4]]")]
    answers = ask(model(predict), *requests)
    assert [each.body for each in answers] == [b'{"mean":1.5}\n', b'{"mean":3.5}\n']
    assert predict.calls == [2, 1, 1]


@pytest.mark.parametrize(
    ("leaks", "alone"),
    [
        (lambda inputs: np.cumsum(inputs, axis=0), [[[1, -2]], [[3, 4]]]),  # axis 0 is time
        (lambda inputs: np.sum(inputs, axis=1) / np.max(inputs), [[-1], [1.75]]),
        (
            lambda inputs: np.sort(np.sum(inputs, axis=1))[::-1],
            [[-1], [7]],
        ),  # the order differs from that of the records
    ],
)
def test_predictions_that_depend_on_the_batch_turn_batching_off(leaks: Callable[[Any], Any], alone: list[Any]) -> None:
    invoker = Invoker(model(leaks), SETTINGS, lambda _: None)
    requests = [Request(b"[[1, -2]]"), Request(b"[[3, 4]]")]
    invoker.run(requests)
    assert bodies([request.response for request in requests if request.response]) == alone
    assert [request.batch_requests for request in requests] == [1, 1]
    assert invoker.batcher.max_requests == 1


def test_the_first_batches_are_verified_one_by_one() -> None:
    predict = Counted(lambda inputs: np.asarray(inputs, np.float32) @ np.ones(2, np.float32))
    invoker = Invoker(model(predict), SETTINGS, lambda _: None)
    for _ in range(5):
        invoker.run([Request(b"[[1, 2]]"), Request(b"[[1, 2]]")])  # which shows nothing
        invoker.run([Request(b"[[1, 2]]"), Request(b"[[3, 4]]")])
    assert predict.calls == [2, 1, 1] * 6 + [2] * 4
    assert invoker.batcher.max_requests > 1


@pytest.mark.parametrize(("served", "chosen"), [({"batching": False}, {}), ({}, {"SM_BATCH_ROWS": "1"})])
def test_batching_can_be_turned_off(served: dict[str, Any], chosen: dict[str, str]) -> None:
    predict, done = Counted(add), threading.Semaphore(0)

    def deliver(requests: list[Request]) -> None:
        done.release(len(requests))

    invoker = Invoker(model(predict, **served), settings.read(chosen, Path("/nonexistent")), deliver)
    for _ in range(20):
        invoker.submit(Request(b"[[1, 2]]"))
    for _ in range(20):
        assert done.acquire(timeout=10)
    assert predict.calls == [1] * 20


def test_batches_have_at_most_batch_rows_records() -> None:
    predict = Counted(add)
    few = settings.read({"SM_BATCH_ROWS": "3"}, Path("/nonexistent"))
    requests = [Request(b"[[1], [2]]"), Request(b"[[3]]"), Request(b"[[4]]"), Request(b"[[5], [6], [7], [8]]")]
    invoker = Invoker(model(predict), few, lambda _: None)
    invoker.batches_to_compare = 0
    invoker.run(requests)
    assert predict.calls == [3, 1, 4]


def test_only_requests_with_the_same_parameters_are_predicted_together() -> None:
    def predict(inputs: Any) -> Any:
        return [current().parameters.get("factor", 1) * total for total in add(inputs)]

    predict_counted = Counted(predict)
    double = b'{"instances": [[1, 2]], "parameters": {"factor": 2}}'
    assert bodies(ask(model(predict_counted), Request(double), Request(b"[[1, 2]]"), Request(double))) == [
        [6],
        [3],
        [6],
    ]
    assert predict_counted.calls == [2, 1]


def test_arrays_of_different_shapes_are_predicted_separately() -> None:
    predict = Counted(lambda inputs: inputs.sum(axis=1))
    served = model(predict, decode=np.array)
    assert bodies(ask(served, Request(b"[[1, 2]]"), Request(b"[[1, 2, 3]]"), Request(b"[[3, 4]]"))) == [[3], [6], [7]]
    assert sorted(predict.calls) == [1, 2]


def test_custom_attributes_reach_the_hooks_and_are_returned_only_if_set() -> None:
    def encode(outputs: Any) -> Any:
        if sent := current().custom_attributes:
            current().response_attributes = f"seen={sent}"
        return outputs

    requests = [Request(b"[[1]]", custom_attributes="a"), Request(b"[[2]]"), Request(b"[[3]]", custom_attributes="c")]
    answers = ask(model(add, encode=encode), *requests)
    name = "X-Amzn-SageMaker-Custom-Attributes"
    assert [dict(each.headers) for each in answers] == [{name: "seen=a"}, {}, {name: "seen=c"}]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "é", "x" * 1025])
def test_attributes_that_are_not_a_valid_header_are_a_handler_bug(value: str) -> None:
    def encode(outputs: Any) -> Any:
        current().response_attributes = value
        return outputs

    assert ask(model(add, encode=encode), Request(b"[[1]]"))[0].status == 500


def test_a_handler_can_answer_with_its_own_media_type() -> None:
    served = model(lambda _: "<b>3</b>", media_type="text/html")
    html, refused = ask(served, Request(b"[[1]]"), Request(b"[[1]]", accept="application/json"))
    assert (html.status, html.media_type, html.body) == (200, "text/html", b"<b>3</b>")
    assert refused.status == 406


def read_stream(predict: Callable[[Any], Any], **others: Any) -> tuple[Response, list[bytes]]:
    """A streamed answer, read until its end while the prediction thread waits."""
    request = Request(b"[[1, 2, 3]]")
    pieces: list[bytes] = []
    invoker = Invoker(model(predict, **others), SETTINGS, lambda _: None)
    runner = threading.Thread(target=invoker.run, args=([request],))
    runner.start()
    good = wait_for(lambda: request.response, "the answer")
    try:
        if isinstance(good.body, Stream):
            assert runner.is_alive()
            pieces.extend(good.body)
    finally:
        if isinstance(good.body, Stream):
            good.body.close()
        runner.join(10)
    assert not runner.is_alive()
    return good, pieces


@pytest.mark.parametrize(
    ("outputs", "media_type", "pieces"),
    [
        (["one ", "two"], "text/plain; charset=utf-8", [b"one ", b"two"]),
        ([b"\x00", b"\x01"], "application/octet-stream", [b"\x00", b"\x01"]),
        ([{"token": 1}, np.array([2, 3])], JSON_LINES, [b'{"token":1}\n', b"[2,3]\n"]),
        ([], "text/plain; charset=utf-8", []),
    ],
)
def test_an_iterator_is_streamed(outputs: list[Any], media_type: str, pieces: list[bytes]) -> None:
    good, got = read_stream(lambda _: iter(outputs))
    assert (good.status, good.media_type, got) == (200, media_type, pieces)


def test_a_stream_can_have_its_own_type_and_each_piece_is_encoded() -> None:
    good, got = read_stream(
        lambda _: iter([1, 2]), media_type="text/event-stream", encode=lambda piece: f"data: {piece}\n\n"
    )
    assert (good.media_type, got) == ("text/event-stream", [b"data: 1\n\n", b"data: 2\n\n"])


def yield_and_fail(_: Any) -> Iterator[str]:
    yield "one"
    raise ValueError(SECRET)


def test_a_stream_has_an_error_status_if_it_fails_at_once_and_breaks_if_later() -> None:
    assert answer(lambda _: map(fail(ValueError(SECRET)), [1])).status == 500
    with pytest.raises(StreamBroken):
        read_stream(yield_and_fail)


def test_an_abandoned_stream_closes_the_handlers_iterator() -> None:
    ended = threading.Event()

    def predict(_: Any) -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            ended.set()

    request = Request(b"[[1]]")
    invoker = Invoker(model(predict), SETTINGS, lambda requests: requests[0].response.body.close())  # type: ignore[union-attr]
    invoker.run([request])
    assert ended.is_set()


def test_queued_requests_for_streams_are_all_answered() -> None:
    texts: list[bytes] = []

    def deliver(requests: list[Request]) -> None:
        (request,) = requests
        assert request.response and isinstance(request.response.body, Stream)
        texts.append(b"".join(request.response.body))
        request.response.body.close()

    predict = lambda inputs: (str(value) for value in inputs[0])  # noqa: E731
    Invoker(model(predict), SETTINGS, deliver).run([Request(b"[[1, 2]]"), Request(b"[[3, 4]]")])
    assert texts == [b"12", b"34"]


def test_the_traceback_of_a_bug_is_logged_with_the_inference_id(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("INFO")
    answer(fail(ValueError(SECRET)), inference_id="id-7")
    error, line = (json.loads(text) for text in capsys.readouterr().err.splitlines())
    assert error["id"] == line["id"] == "id-7"
    assert "Traceback" in error["exception"] and SECRET in error["exception"]
    assert (line["level"], line["status"], line["batch_requests"], line["bytes_in"]) == ("INFO", 500, 1, 8)
    assert SECRET not in json.dumps(line)


def test_the_log_has_a_line_per_request_without_its_content(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("INFO")
    ask(model(add), Request(b"[[123456, 2]]", inference_id="a"), Request(b"[[3]]"))
    lines = [json.loads(text) for text in capsys.readouterr().err.splitlines()]
    assert [(line.get("id"), line["status"], line["batch_requests"]) for line in lines] == [
        ("a", 200, 2),
        (None, 200, 2),
    ]
    assert {*lines[0]} == {"time", "level", "message", "id", "status", "ms", "batch_requests", "bytes_in", "bytes_out"}
    assert "123456" not in json.dumps(lines)


def test_requests_are_not_logged_above_level_info(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("WARNING")
    answer(add)
    assert capsys.readouterr().err == ""


def test_the_log_is_plain_text_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    logs.start("INFO")
    answer(add, inference_id="a")
    assert "INFO invocation id=a status=200 ms=" in capsys.readouterr().err
    answer(fail(ValueError(SECRET)))
    error = capsys.readouterr().err
    assert "ERROR The handler failed.\nTraceback (most recent call last):\n  File " in error
    assert f"\nValueError: {SECRET}\n" in error
    logging.getLogger().handlers.clear()
