#!/usr/bin/env python3
"""Usage: resources.py WHAT

The requests that a deployment sends to AWS, made from the settings. Prints WHAT as JSON:
model, cost and so on, by the names of the functions below. Keys and values are those of SageMaker's API.

The settings are those of settings.sh; a variable of the same name in the environment wins.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
OWNER = "ml-container-creator"
Json = dict[str, Any]


class SettingError(ValueError):
    """A setting that cannot be used; the text says which, and what it has to be."""


def load_settings() -> None:
    """Takes settings.sh into the environment. Raises SettingError where that file is broken."""
    script = 'set -a; . "$1" >&2 && env -0'
    done = subprocess.run(["bash", "-c", script, "bash", HERE / "settings.sh"], capture_output=True, text=True)
    if done.returncode:
        raise SettingError(f"deploy/settings.sh is not a good shell script: {done.stderr.strip()}")
    for line in done.stdout.split("\0"):
        key, _, value = line.partition("=")
        if key:
            os.environ[key] = value


def text(name: str, default: str = "") -> str:
    return os.environ.get(name) or default


def number(name: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`; `least` where the setting is empty."""
    value = text(name, str(least))
    if not value.isdecimal() or len(value) > 9 or not least <= int(value) <= most:
        raise SettingError(f"{name} has to be a whole number from {least} to {most}, and is {value!r}.")
    return int(value)


def polling_interval() -> float:
    """POLL_SECONDS, from 0.1 to 600; 5 where the setting is empty."""
    value = text("POLL_SECONDS", "5")
    if not value.replace(".", "", 1).isdecimal() or len(value) > 9 or not 0.1 <= float(value) <= 600:
        raise SettingError(f"POLL_SECONDS has to be a number of seconds from 0.1 to 600, and is {value!r}.")
    return float(value)


def choice(name: str, *values: str) -> str:
    """One of `values`; the first where the setting is empty."""
    value = text(name, values[0])
    if value not in values:
        raise SettingError(f"{name} has to be one of {', '.join(values)}, and is {value!r}.")
    return value


def names(name: str) -> list[str]:
    """A setting of several names with commas between them."""
    return [each.strip() for each in text(name).split(",") if each.strip()]


def mapping(name: str) -> dict[str, str]:
    """A setting that is a JSON object of strings, such as '{"team": "fraud"}'."""
    try:
        value = json.loads(text(name, "{}"))
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise SettingError(f"""{name} has to be a JSON object of strings, such as '{{"team": "fraud"}}'.""")
    return value


def location(name: str, folder: str) -> str:
    """A place in S3, without a slash at its end; by default a folder of the project in its bucket."""
    value = text(name, f"s3://{text('S3_BUCKET')}/{text('PROJECT_NAME')}/{folder}").rstrip("/")
    if not value.startswith("s3://"):
        raise SettingError(f"{name} has to be s3://BUCKET/…, and is {value!r}.")
    return value


def tags() -> list[dict[str, str]]:
    """The tags of everything that is made: those of the settings, and two by which delete.sh knows its own."""
    own = {f"{OWNER}:project": text("PROJECT_NAME"), f"{OWNER}:endpoint": deployment()}
    return [{"Key": key, "Value": value} for key, value in {**mapping("TAGS"), **own}.items()]


def name_by_content(*content: object) -> str:
    """A name of at most 63 characters that is another for other content."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{deployment()[:52]}-{digest[:10]}"


def model() -> Json:
    """CreateModel."""
    request = describe_model()
    return {"ModelName": name(), **request}


def describe_model() -> Json:
    environment = {**ENVIRONMENT, **model_environment(), **mapping("CONTAINER_ENV")}
    container: Json = {"Image": text("IMAGE_URI"), "Environment": environment, **model_data()}
    request: Json = {"ExecutionRoleArn": text("ROLE_ARN"), "PrimaryContainer": container, "Tags": tags()}
    if names("VPC_SUBNETS"):
        request["VpcConfig"] = {"Subnets": names("VPC_SUBNETS"), "SecurityGroupIds": names("VPC_SECURITY_GROUPS")}
    if choice("NETWORK_ISOLATION", "false", "true") == "true":
        request["EnableNetworkIsolation"] = True
    return request


def main(*known: Any) -> None:
    """Prints what the function named on the command line returns: text as it is, a list as lines, the rest as JSON."""
    functions = {function.__name__.replace("_", "-"): function for function in known}
    if len(sys.argv) != 2 or sys.argv[1] not in functions:
        sys.exit(f"{__doc__}\nWHAT is one of {', '.join(functions)}.")
    try:
        load_settings()
        result = functions[sys.argv[1]]()
    except SettingError as error:
        sys.exit(f"ERROR: {error}")
    lines = result if isinstance(result, list) else [result]
    for line in lines:
        print(line if isinstance(line, str) else json.dumps(line))
