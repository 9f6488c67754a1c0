"""What programs need to talk to AWS, whatever they make there: settings, clients, messages, waiting, logs, tags."""

from __future__ import annotations

import argparse
import functools
import os
import re
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import resources
from resources import HERE, OWNER, Json, SettingError, number, text

try:
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
    from botocore.parsers import ResponseParserError
except ImportError:
    sys.exit("ERROR: boto3 is missing.\nInstall it: pip install boto3")
except KeyboardInterrupt:  # it takes a moment
    sys.exit(130)

REFUSALS = (ClientError, BotoCoreError, Boto3Error, ResponseParserError)
MISSING = re.compile(r"Could not find|NotFound|NoSuch|\(404\)")
CHANGING = re.compile(r"ing$|^RollingBack$|^InProgress$")


class Failure(Exception):
    """What went wrong and why, and what to do."""


# --- messages --------------------------------------------------------------------------------------------------------
def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def typed(file: str, *arguments: str) -> str:
    """A program of this folder as the caller can type it."""
    folder = HERE if os.path.isabs(sys.argv[0]) else os.path.relpath(HERE)
    program = os.path.join(folder, file)
    return shlex.join([*(["python3"] if file.endswith(".py") else []), program, *arguments])


def deployment() -> str:
    """The command that deploys, as the caller can type it."""
    if (HERE / "deploy.sh").exists():
        return typed("deploy.sh")
    if (HERE / "deploy.py").exists():
        return typed("deploy.py", "deploy")
    return f"(cd {typed('cdk')} && cdk deploy)"


def explain(error: BaseException) -> int:
    """Says what went wrong and what to do; the exit status for it."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit):  # it was explained, or it is a signal
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, (ClientError, ParamValidationError)):
        short = re.sub("satisfy enum value set: .*", "be one that it knows", str(error))
        say(f"ERROR: {short}\n{find_remedy(str(error))}")
    elif isinstance(error, Failure):
        say("ERROR: " + "\n".join(error.args))
    elif isinstance(error, (SettingError, OSError, *REFUSALS)):
        say(f"ERROR: {error}")
    else:
        traceback.print_exc()
    return 1


def find_remedy(refusal: str) -> str:
    """What to do where AWS says so."""
    region, training = text("AWS_REGION"), "TrainingJob" in refusal
    setting, document = ("TRAIN_INSTANCE_TYPE", "deployer-training") if training else ("INSTANCE_TYPE", "deployer")
    remedies = {
        "nstanceType.*enum value set": f"Set {setting} to a type that SageMaker has in {region}.",
        'Unknown parameter in (MetricsConfig|input: "MetricsConfig")': "This boto3 is too old for METRICS. Update it: "
        "pip install --upgrade boto3. Or set METRICS=false.",
        " model data": f"Is the model there? {typed('upload_model.sh')} uploads one.",
        "ResourceLimitExceeded": f"Ask for more in Service Quotas (Amazon SageMaker), or set another {setting}.",
        "AccessDenied|not authorized": "A policy that lets you: " + typed("iam/create_role.sh", "--print", document),
    }
    found = (remedy for pattern, remedy in remedies.items() if re.search(pattern, refusal))
    return next(found, f"The region is {region}.")


# --- calls -----------------------------------------------------------------------------------------------------------
@functools.cache
def client(service: str) -> Any:
    # SageMaker gives a container 60 s and then says so, which has to come before the end of the wait for it.
    return boto3.client(service, region_name=text("AWS_REGION"), config=Config(read_timeout=70))


def ask(call: Callable[..., Json], **request: Any) -> Json:
    """What the call answers; empty where there is no such thing."""
    try:
        return call(**request)
    except ClientError as error:
        if MISSING.search(str(error)):
            return {}
        raise


@functools.cache
def account() -> str:
    """The account of the credentials."""
    return str(client("sts").get_caller_identity()["Account"])


def sign_in() -> None:
    """Takes settings.sh into the environment and looks whose the credentials are."""
    resources.load_settings()
    os.environ["AWS_RETRY_MODE"] = text("AWS_RETRY_MODE", "standard")
    os.environ["AWS_MAX_ATTEMPTS"] = text("AWS_MAX_ATTEMPTS", "5")
    number("AWS_MAX_ATTEMPTS", 1, 100)
    try:
        os.environ["S3_BUCKET"] = text("S3_BUCKET", f"sagemaker-{text('AWS_REGION')}-{account()}")
    except (*REFUSALS, ValueError) as error:  # a ValueError is of an address that is none
        what = f"AWS did not accept your credentials: {error}"
        raise Failure(what, "Sign in (aws configure, or aws sso login) and try again.") from None


def wait(name: str, key: str, look: Callable[[], Json]) -> Json:
    """What `look` finds once its status is final, with a line at every new status and every half minute.

    A look that fails is repeated, for what is being made goes on meanwhile; the third failure in a row is raised.
    """
    pause, began = resources.polling_interval(), time.monotonic()
    last, due, failures = "", 0.0, 0
    while True:
        try:
            found, failures = look(), 0
        except REFUSALS:
            failures += 1
            if failures == 3:
                raise
            time.sleep(pause)
            continue
        status, passed = found.get(key, ""), time.monotonic() - began
        if not CHANGING.search(status):
            return found
        if status != last or passed >= due:
            say(f"{name}: {status} ({passed:.0f} s)")
            last, due = status, passed + 30
        time.sleep(pause)


def show_log(group: str, since: float = 0, **which: Any) -> None:
    """Prints the last lines of the newest container in a log group since that time, as far as they may be read."""
    try:
        found = client("logs").describe_log_streams(logGroupName=group, **which)["logStreams"]
        streams = [each for each in found if each["creationTime"] >= since * 1000]
        _, newest = max((each["creationTime"], each["logStreamName"]) for each in streams)
        events = client("logs").get_log_events(logGroupName=group, logStreamName=newest, limit=20)["events"]
    except (*REFUSALS, ValueError):  # a ValueError is of no stream at all
        return
    say(f"The container's last lines ({group}):")
    for event in events:
        say(f"  | {event['message']}")


# --- what the scripts of this folder have made -----------------------------------------------------------------------
def state(name: str) -> Path:
    """Where a script writes down its result of that name."""
    return HERE / ".state" / f"{account()}-{text('AWS_REGION')}" / name


def recall(name: str) -> str:
    """A result that was written down; empty where there is none."""
    return state(name).read_text().strip() if state(name).exists() else ""


def record(name: str, result: str) -> None:
    state(name).parent.mkdir(parents=True, exist_ok=True)
    state(name).write_text(f"{result}\n")


def is_ours(arn: str) -> bool:
    """Whether it carries the tags of this project and deployment: nothing else is changed or removed."""
    tags = {tag["Key"]: tag["Value"] for tag in client("sagemaker").list_tags(ResourceArn=arn)["Tags"]}
    own = {f"{OWNER}:project": text("PROJECT_NAME"), f"{OWNER}:endpoint": resources.deployment()}
    return own.items() <= tags.items()


def remove_made(kind: str) -> int:
    """Removes each Model or EndpointConfig of this deployment; how many."""
    sagemaker, word = client("sagemaker"), {"Model": "model", "EndpointConfig": "endpoint_config"}[kind]
    stem, removed = resources.deployment()[:52], 0
    pages = sagemaker.get_paginator(f"list_{word}s").paginate(NameContains=f"{stem}-")
    for each in [each for page in pages for each in page[f"{kind}s"]]:
        name = each[f"{kind}Name"]
        if re.fullmatch(f"{re.escape(stem)}-[0-9a-f]{{10}}", name) and is_ours(each[f"{kind}Arn"]):
            getattr(sagemaker, f"delete_{word}")(**{f"{kind}Name": name})
            removed += 1
    return removed


# --- the command line ------------------------------------------------------------------------------------------------
def main(
    about: str | None,
    deploy: Callable[[str], str],
    invoke: Callable[..., bytes],
    delete: Callable[[], str],
    options: Json,
) -> None:
    """Does what the command line says; the result is the last line on standard output. `options` are those of invoke,
    with what argparse is told of each."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="deploy|invoke|delete", required=True)
    command = commands.add_parser("deploy")
    command.add_argument("role_arn", metavar="ROLE_ARN", nargs="?", default="")
    command.set_defaults(run=lambda given: deploy(given.role_arn).encode())
    command = commands.add_parser("invoke", description=invoke.__doc__)
    command.add_argument("file", metavar="FILE")
    command.add_argument("content_type", metavar="CONTENT-TYPE", nargs="?", default="")
    for option, details in options.items():
        command.add_argument(option, **details)
    command.set_defaults(run=lambda given: invoke(**{key: value for key, value in vars(given).items() if key != "run"}))
    command = commands.add_parser("delete")
    command.set_defaults(run=lambda _: delete().encode())
    given = parser.parse_args()
    run(lambda: given.run(given))


def run(work: Callable[[], bytes]) -> None:
    """Signs in and does it; what it returns is the end of standard output."""
    for each in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: what was made is taken back
        signal.signal(each, lambda number, _: sys.exit(128 + number))
    try:
        sign_in()
        result = work()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # to end like any program where nobody reads on
        sys.stdout.buffer.write(result if result.endswith(b"\n") else result + b"\n")
    except BaseException as error:
        sys.exit(explain(error))
