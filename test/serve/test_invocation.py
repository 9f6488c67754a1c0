"""One request, without a web server: serving/invocation.py, and the log it writes."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving import logs, settings
from serving.errors import BadRequest, Overloaded, TooLarge
from serving.invocation import Answer, invoke, refuse
from serving.models import Model

SECRET = "secret"


def answer(predict: Callable[[Any], Any], body: bytes = b"[[1, 2]]", **headers: str) -> Answer:
    def keep(value: Any) -> Any:
        return value

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return invoke(Model(keep, predict, keep), settings.read({}, Path("/nonexistent")), body, named)


def fail(error: BaseException) -> Callable[[Any], Any]:
    def predict(_: Any) -> Any:
        raise error

    return predict


def test_a_good_request_is_answered() -> None:
    good = answer(lambda inputs: [sum(record) for record in inputs], Accept="text/csv")
    assert (good.status, good.media_type, good.body) == (200, "text/csv", b"3\n")


@pytest.mark.parametrize(
    ("error", "status"),
    [(BadRequest("Too long."), 400), (ValueError(SECRET), 500), (SystemExit(SECRET), 500), (MemoryError(SECRET), 500)],
)
def test_an_error_in_the_handler_is_an_answer_that_tells_nothing(error: BaseException, status: int) -> None:
    bad = answer(fail(error))
    assert bad.status == status
    assert list(json.loads(bad.body)) == ["error"]
    assert SECRET not in bad.body.decode()


def test_outputs_that_cannot_be_written_are_a_bug_of_the_handler() -> None:
    assert answer(lambda _: object()).status == 500


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[[1]]", {"Accept": "image/png"}, 406),
        (b"[[1]]", {"Content_Type": "text/html"}, 415),
    ],
)
def test_the_clients_errors_have_their_statuses(body: bytes, headers: dict[str, str], status: int) -> None:
    assert answer(lambda inputs: inputs, body, **headers).status == status


def test_refusals_say_when_to_come_back_or_how_much_is_too_much() -> None:
    assert refuse(Overloaded()).headers == {"Retry-After": "1"}
    assert refuse(TooLarge(25 * 2**20)).body == b'{"error":"The body is larger than 25 MB."}'


def test_the_story_of_a_bug_is_in_the_log_under_the_inference_id(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("INFO")
    answer(fail(ValueError(SECRET)), X_Amzn_SageMaker_Inference_Id="id-7")
    story, line = (json.loads(text) for text in capsys.readouterr().err.splitlines())
    assert story["id"] == line["id"] == "id-7"
    assert "Traceback" in story["exception"] and SECRET in story["exception"]
    assert (line["level"], line["status"], line["bytes_in"]) == ("INFO", 500, 8)
    assert SECRET not in json.dumps(line)


def test_people_get_plain_text() -> None:
    record = logging.makeLogRecord({"msg": "invocation", "fields": {"status": 200}})
    assert logs.TextFormatter("%(message)s").format(record) == "invocation status=200"
