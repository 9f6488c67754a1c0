"""Waiting for AWS: what is shown meanwhile, when it ends, and answers that are lost."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from conftest import INSTANCE, Read, Realtime

from deployer import aws
from deployer.requests.common import Json

LOST = EndpointConnectionError(endpoint_url="http://x")
Look = Callable[[], Json]


class Clock:
    """Time passes only where something sleeps."""

    def __init__(self) -> None:
        self.now, self.naps = 1000.0, 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps += 1


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time, "sleep", found.sleep)
    monkeypatch.setattr(time, "monotonic", lambda: found.now)
    return found


@pytest.fixture
def known(read: Read) -> Realtime:
    return read(Realtime, **INSTANCE, POLL_SECONDS="10")


def looks(*answers: str | Exception) -> Look:
    """One answer after the other: a status, or an error."""
    left: Iterator[str | Exception] = iter(answers)

    def look() -> Json:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return {"Status": answer} if answer else {}

    return look


@pytest.mark.parametrize("status", ["InService", "Failed", "Completed", "Stopped", "UpdateRollbackFailed", ""])
def test_it_ends_with_the_first_status_that_is_final(known: Realtime, clock: Clock, status: str) -> None:
    found = aws.wait(known, "demo", "Status", looks("Creating", "Updating", status))
    assert found == ({"Status": status} if status else {})
    assert clock.naps == 2


@pytest.mark.parametrize("status", ["Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting", "InProgress"])
def test_it_goes_on_while_something_changes(known: Realtime, clock: Clock, status: str) -> None:
    aws.wait(known, "demo", "Status", looks(status, "InService"))
    assert clock.naps == 1


def test_what_is_final_already_is_not_waited_for(
    known: Realtime, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.wait(known, "demo", "Status", looks("InService"))
    assert (clock.naps, capsys.readouterr().err) == (0, "")


def test_others_can_say_what_is_final(known: Realtime) -> None:
    found = aws.wait(known, "x", "Status", looks("QUEUED", "BUILD", "DONE"), lambda it: it["Status"] != "DONE")
    assert found == {"Status": "DONE"}


# --- what is shown ---------------------------------------------------------------------------------------------------
def test_each_change_is_a_line_and_so_is_each_half_minute(known: Realtime, capsys: pytest.CaptureFixture[str]) -> None:
    aws.wait(known, "demo", "Status", looks(*["Creating"] * 5, "Updating", "InService"))
    assert capsys.readouterr().err.splitlines() == [
        "demo: Creating (0 s)",
        "demo: Creating (30 s)",
        "demo: Updating (50 s)",
    ]


def test_on_a_terminal_one_line_is_rewritten(
    known: Realtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    aws.wait(known, "demo", "Status", looks("Creating", "Creating", "InService"))
    assert capsys.readouterr().err == "\r\033[Kdemo: Creating (0 s)\r\033[Kdemo: Creating (10 s)\n"


def test_on_a_terminal_a_line_is_ended_even_where_waiting_fails(
    known: Realtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        aws.wait(known, "demo", "Status", looks("Creating"))
    assert capsys.readouterr().err.endswith("(0 s)\n")


# --- lost answers ----------------------------------------------------------------------------------------------------
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "DescribeEndpoint")


@pytest.mark.parametrize("error", [LOST, THROTTLED, ReadTimeoutError(endpoint_url="http://x")])
def test_two_lost_answers_are_asked_for_again(known: Realtime, clock: Clock, error: Exception) -> None:
    answers = (error, "Creating", error, error, "Creating", error, "InService")
    assert aws.wait(known, "demo", "Status", looks(*answers)) == {"Status": "InService"}
    assert clock.naps == 6


def test_the_third_in_a_row_is_raised(known: Realtime, clock: Clock) -> None:
    with pytest.raises(EndpointConnectionError):
        aws.wait(known, "demo", "Status", looks("Creating", LOST, LOST, LOST))
    assert clock.naps == 3


def test_a_bug_is_raised_at_once(known: Realtime, clock: Clock) -> None:
    with pytest.raises(KeyError):
        aws.wait(known, "demo", "Status", looks(KeyError("Status")))
    assert clock.naps == 0


# --- what is not there -----------------------------------------------------------------------------------------------
def call(error: Exception | None) -> Callable[..., dict[str, Any]]:
    """A method of a client."""

    def method(**request: Any) -> dict[str, Any]:
        if error:
            raise error
        return request

    return method


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ValidationException", 'Could not find endpoint "arn:x".'),
        ("NoSuchKey", "The specified key does not exist."),
        ("404", "Not Found"),
        ("RepositoryNotFoundException", "x"),
        ("NoSuchEntity", "x"),
        ("ResourceNotFoundException", "x"),
    ],
)
def test_what_is_not_there_is_no_error(code: str, message: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "Describe")
    assert aws.ask(call(error)) == {}


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "403"])
def test_other_refusals_are_raised(code: str) -> None:
    with pytest.raises(ClientError):
        aws.ask(call(ClientError({"Error": {"Code": code, "Message": "x"}}, "Describe")))


def test_an_answer_is_handed_on() -> None:
    assert aws.ask(call(None), Name="x") == {"Name": "x"}
