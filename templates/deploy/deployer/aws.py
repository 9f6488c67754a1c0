"""Calls to AWS: clients, errors, waiting, logs, tags."""

from __future__ import annotations

import functools
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from deployer import settings as base
from deployer.requests.common import Json, own_tags

AWS_ERRORS = (ClientError, BotoCoreError, Boto3Error, ResponseParserError)
MISSING = re.compile(r"Could not find|NotFound|NoSuch|\(404\)")
CHANGING = re.compile(r"ing$|^RollingBack$|^InProgress$")
SettingsT = TypeVar("SettingsT", bound=base.Settings)


class Failure(Exception):
    """A command failed: what went wrong and why, and what to do."""


# --- calls -----------------------------------------------------------------------------------------------------------
@functools.cache
def client(service: str) -> Any:
    """Return a boto3 client, in the region that sign_in() set."""
    # SageMaker reports a container's timeout after 60 s; the client must wait longer than that to receive it.
    return boto3.client(service, config=Config(read_timeout=70))


def if_exists(call: Callable[..., Json], **request: Any) -> Json:
    """Return the response of a call, or an empty one if the resource does not exist."""
    try:
        return call(**request)
    except ClientError as error:
        if MISSING.search(str(error)):
            return {}
        raise


def sign_in(settings: SettingsT) -> SettingsT:
    """Return the settings with the account of the credentials and its bucket. Raise Failure if signing in fails."""
    os.environ.setdefault("AWS_RETRY_MODE", "standard")
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "5")
    boto3.setup_default_session(region_name=settings.aws_region)
    try:
        account = str(client("sts").get_caller_identity()["Account"])
    except (*AWS_ERRORS, ValueError) as error:  # boto3 raises ValueError for an invalid endpoint URL
        what = f"Cannot sign in to AWS: {error}"
        raise Failure(what, "Sign in (aws configure, or aws sso login) and try again.") from None
    bucket = settings.s3_bucket or f"sagemaker-{settings.aws_region}-{account}"
    return replace(settings, account=account, s3_bucket=bucket)


# --- waiting ---------------------------------------------------------------------------------------------------------
def say(line: str) -> None:
    """Print a line to stderr. On a terminal it replaces a progress line."""
    print(f"\r\033[K{line}" if sys.stderr.isatty() else line, file=sys.stderr, flush=True)


def exit_on_closed_pipe() -> None:
    """End silently, as other programs do, when the reader of a pipe closes it."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def progress(line: str, terminal: bool) -> None:
    """Print a progress line to stderr. On a terminal the next line replaces it."""
    print(f"\r\033[K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)


def wait(
    settings: base.Settings,
    name: str,
    key: str,
    describe: Callable[[], Json],
    changes: Callable[[Json], bool] | None = None,
) -> Json:
    """Poll `describe` until the status under `key` is final, and return the last response. Show status and seconds."""
    began, terminal = time.monotonic(), sys.stderr.isatty()
    last, due = "", 0.0
    try:
        while True:
            found = describe_with_retries(settings, describe)
            status, passed = found.get(key, ""), time.monotonic() - began
            if not (changes(found) if changes else CHANGING.search(status)):
                return found
            if terminal or status != last or passed >= due:
                progress(f"{name}: {status} ({passed:.0f} s)", terminal)
                last, due = status, passed + 30
            time.sleep(settings.poll_seconds)
    finally:
        if terminal and last:
            print(file=sys.stderr)


def describe_with_retries(settings: base.Settings, describe: Callable[[], Json]) -> Json:
    """Call `describe`, at most three times: a lost response must not end the wait."""
    for _ in range(2):
        with suppress(*AWS_ERRORS):
            return describe()
        time.sleep(settings.poll_seconds)
    return describe()


class Log:
    """A log stream that is still being written. Each line is shown once."""

    def __init__(self) -> None:
        self.position: Json = {}
        self.unreadable = False

    def show(self, group: str, find_stream: Callable[[], str], leave_out: str = "\0") -> None:
        """Print the new lines, except those that begin with `leave_out`."""
        try:
            stream = find_stream()
            while stream:
                which = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
                answer = client("logs").get_log_events(**which, **self.position)
                for line in "".join(f"{event['message'].rstrip()}\n" for event in answer["events"]).splitlines():
                    if line.strip() and not line.startswith(leave_out):
                        say(f"  | {line}")
                before, self.position = self.position, {"nextToken": answer["nextForwardToken"]}
                if before == self.position:
                    return
        except AWS_ERRORS as error:  # the log does not exist yet, or reading it is not allowed: the job continues
            if "ResourceNotFound" not in str(error) and not self.unreadable:
                say(f"The log cannot be shown: {error}")
                self.unreadable = True


def show_log(settings: base.Settings, group: str, since: float = 0, **which: Any) -> None:
    """Print the last log lines of the newest container started after `since`, if reading them is permitted."""
    logs = client("logs")
    try:
        found = logs.describe_log_streams(logGroupName=group, **which)["logStreams"]
        streams = [each for each in found if each["creationTime"] >= since * 1000]
        _, newest = max((each["creationTime"], each["logStreamName"]) for each in streams)
        events = logs.get_log_events(logGroupName=group, logStreamName=newest, limit=20)["events"]
    except (*AWS_ERRORS, ValueError):  # max() raises ValueError if there is no stream
        return
    say(f"The container's last lines ({group}):")
    for event in events:
        say(f"  | {event['message']}")


# --- resources that were created -------------------------------------------------------------------------------------
def is_ours(settings: base.Settings, arn: str) -> bool:
    """Whether a resource has the tags of this project and deployment. Others are never changed or removed."""
    tags = client("sagemaker").list_tags(ResourceArn=arn)["Tags"]
    return own_tags(settings).items() <= {tag["Key"]: tag["Value"] for tag in tags}.items()


@contextmanager
def track_creation(kind: str, made: list[str]) -> Iterator[None]:
    """Add `kind` to `made` before the call that creates it: it can exist even if the response was lost.

    Remove it again if AWS refuses the call.
    """
    made.append(kind)
    try:
        yield
    except ClientError:
        made.remove(kind)
        raise


def create(kind: str, request: Json, made: list[str]) -> None:
    """Create a model or an endpoint_config and add it to `made`, unless it existed: then it is kept on failure."""
    try:
        with track_creation(kind, made):
            getattr(client("sagemaker"), f"create_{kind}")(**request)
    except ClientError as error:
        if "already existing" not in str(error):
            raise


def remove_ours(settings: base.Settings, kind: str) -> int:
    """Remove each Model or EndpointConfig of this deployment. Return the number removed."""
    sagemaker, word = client("sagemaker"), {"Model": "model"}.get(kind, "endpoint_config")
    stem, removed = settings.deployment[:52], 0
    pages = sagemaker.get_paginator(f"list_{word}s").paginate(NameContains=f"{stem}-")
    for each in [each for page in pages for each in page[f"{kind}s"]]:
        name = each[f"{kind}Name"]
        if re.fullmatch(f"{re.escape(stem)}-[0-9a-f]{{10}}", name) and is_ours(settings, each[f"{kind}Arn"]):
            getattr(sagemaker, f"delete_{word}")(**{f"{kind}Name": name})
            removed += 1
    return removed
