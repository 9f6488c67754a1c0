"""Waiting for AWS: progress, final statuses and lost responses."""

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
Describe = Callable[[], Json]


class Clock:
    """A clock that advances only in sleep()."""

    def __init__(self) -> None:
        self.now, self.sleeps = 1000.0, 0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(time, "sleep", found.sleep)
    monkeypatch.setattr(time, "monotonic", lambda: found.now)
    return found


@pytest.fixture
def known(read: Read) -> Realtime:
    return read(Realtime, **INSTANCE, POLL_SECONDS="10")


def responses(*statuses: str | Exception) -> Describe:
    """Return a function that returns a status, or raises an error, at each call."""
    left: Iterator[str | Exception] = iter(statuses)

    def describe() -> Json:
        status = next(left)
        if isinstance(status, Exception):
            raise status
        return {"Status": status} if status else {}

    return describe


@pytest.mark.parametrize("status", ["InService", "Failed", "Completed", "Stopped", "UpdateRollbackFailed", ""])
def test_waiting_ends_with_the_first_final_status(known: Realtime, clock: Clock, status: str) -> None:
    found = aws.wait(known, "demo", "Status", responses("Creating", "Updating", status))
    assert found == ({"Status": status} if status else {})
    assert clock.sleeps == 2


@pytest.mark.parametrize("status", ["Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting", "InProgress"])
def test_waiting_continues_while_something_changes(known: Realtime, clock: Clock, status: str) -> None:
    aws.wait(known, "demo", "Status", responses(status, "InService"))
    assert clock.sleeps == 1


def test_a_status_that_is_already_final_is_returned_at_once(
    known: Realtime, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.wait(known, "demo", "Status", responses("InService"))
    assert (clock.sleeps, capsys.readouterr().err) == (0, "")


def test_the_caller_can_define_what_is_final(known: Realtime) -> None:
    found = aws.wait(known, "x", "Status", responses("QUEUED", "BUILD", "DONE"), lambda it: it["Status"] != "DONE")
    assert found == {"Status": "DONE"}


# --- progress --------------------------------------------------------------------------------------------------------
def test_a_line_is_printed_at_each_change_and_every_30_seconds(
    known: Realtime, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.wait(known, "demo", "Status", responses(*["Creating"] * 5, "Updating", "InService"))
    assert capsys.readouterr().err.splitlines() == [
        "demo: Creating (0 s)",
        "demo: Creating (30 s)",
        "demo: Updating (50 s)",
    ]


def test_on_a_terminal_one_line_is_rewritten(
    known: Realtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    aws.wait(known, "demo", "Status", responses("Creating", "Creating", "InService"))
    assert capsys.readouterr().err == "\r\033[Kdemo: Creating (0 s)\r\033[Kdemo: Creating (10 s)\n"


def test_on_a_terminal_the_line_is_ended_even_if_waiting_fails(
    known: Realtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        aws.wait(known, "demo", "Status", responses("Creating"))
    assert capsys.readouterr().err.endswith("(0 s)\n")


# --- lost responses --------------------------------------------------------------------------------------------------
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "DescribeEndpoint")


@pytest.mark.parametrize("error", [LOST, THROTTLED, ReadTimeoutError(endpoint_url="http://x")])
def test_two_lost_responses_are_retried(known: Realtime, clock: Clock, error: Exception) -> None:
    statuses = (error, "Creating", error, error, "Creating", error, "InService")
    assert aws.wait(known, "demo", "Status", responses(*statuses)) == {"Status": "InService"}
    assert clock.sleeps == 6


def test_the_third_error_in_a_row_is_raised(known: Realtime, clock: Clock) -> None:
    with pytest.raises(EndpointConnectionError):
        aws.wait(known, "demo", "Status", responses("Creating", LOST, LOST, LOST))
    assert clock.sleeps == 3


def test_a_bug_is_raised_at_once(known: Realtime, clock: Clock) -> None:
    with pytest.raises(KeyError):
        aws.wait(known, "demo", "Status", responses(KeyError("Status")))
    assert clock.sleeps == 0


# --- missing resources -----------------------------------------------------------------------------------------------
def call(error: Exception | None) -> Callable[..., dict[str, Any]]:
    """Return a method of a client, which raises an error or returns its request."""

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
def test_a_missing_resource_is_no_error(code: str, message: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": message}}, "Describe")
    assert aws.if_exists(call(error)) == {}


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "403"])
def test_other_errors_are_raised(code: str) -> None:
    with pytest.raises(ClientError):
        aws.if_exists(call(ClientError({"Error": {"Code": code, "Message": "x"}}, "Describe")))


def test_a_response_is_returned() -> None:
    assert aws.if_exists(call(None), Name="x") == {"Name": "x"}
