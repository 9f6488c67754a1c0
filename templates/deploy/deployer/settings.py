"""The settings of a deployment: deploy/settings.env, overridden by environment variables of the same names.

Each module declares the settings it uses as fields of a frozen dataclass; project.py combines those of this project.
A field is named after its setting, in lower case.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

DEPLOY = Path(__file__).resolve().parents[1]
PROJECT = DEPLOY.parent
QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
LINE = re.compile(rf"(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=(?P<value>\s*(?:{QUOTED})|.*?)(?:\s+#.*)?")

Known = Mapping[str, Any]


class SettingError(ValueError):
    """Invalid settings: one line each, with the name, the value and what is allowed."""


# --- kinds of settings -----------------------------------------------------------------------------------------------
def setting(parse: Callable[[str], Any], default: Any, required: bool = False) -> Any:
    """Declare a setting. `parse` turns its text into a value, or raises ValueError with what is allowed.

    If empty, it takes the default, which can be a function of the settings before it, unless it is required.
    """
    return dataclasses.field(default=None, metadata={"parse": parse, "default": default, "required": required})


def text(default: str | Callable[[Known], str] = "", form: str = "", allowed: str = "", required: bool = False) -> Any:
    """A string that matches the regular expression `form`, which `allowed` describes in words."""

    def parse(value: str) -> str:
        if form and not re.fullmatch(form, value):
            raise ValueError(allowed)
        return value

    return setting(parse, default, required)


def number(minimum: int, maximum: int, default: int | Callable[[Known], int] | None = None) -> Any:
    """An integer from `minimum` to `maximum`."""

    def parse(value: str) -> int:
        if not value.isdecimal() or len(value) > 9 or not minimum <= int(value) <= maximum:
            raise ValueError(f"a whole number from {minimum} to {maximum}")
        return int(value)

    return setting(parse, minimum if default is None else default)


def optional_number(minimum: int, maximum: int) -> Any:
    """An integer, or None if the setting is empty."""
    field = number(minimum, maximum)
    return setting(field.metadata["parse"], None)


def choice(*values: str) -> Any:
    """One of `values`; the first if empty."""

    def parse(value: str) -> str:
        if value not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return value

    return setting(parse, values[0])


def flag() -> Any:
    """true or false; false if empty."""
    field = choice("false", "true")
    return setting(lambda value: bool(field.metadata["parse"](value) == "true"), False)


def names() -> Any:
    """Comma-separated names."""
    return setting(lambda value: tuple(each.strip() for each in value.split(",") if each.strip()), ())


def mapping() -> Any:
    """A JSON object whose values are strings."""

    def parse(value: str) -> Mapping[str, str]:
        try:
            found = json.loads(value)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
            raise ValueError("""a JSON object of strings, such as {"team": "fraud"}""")
        return found

    return setting(parse, {})


def s3_uri(form: str = "s3://[^/]+.*", allowed: str = "s3://BUCKET/…") -> Any:
    """An S3 URI."""
    return text(form=form, allowed=allowed)


def resource_name() -> Any:
    """The name of a SageMaker resource; PROJECT_NAME if empty."""
    form, allowed = "[A-Za-z0-9](-*[A-Za-z0-9]){0,62}", "at most 63 letters and digits, with hyphens between them"
    return text(lambda known: str(known["project_name"]), form, allowed)


def seconds(minimum: float, maximum: float, default: float) -> Any:
    """A number of seconds, with decimals."""

    def parse(value: str) -> float:
        if not value.replace(".", "", 1).isdecimal() or len(value) > 9 or not minimum <= float(value) <= maximum:
            raise ValueError(f"a number of seconds from {minimum} to {maximum}")
        return float(value)

    return setting(parse, default)


# --- the settings of every project -----------------------------------------------------------------------------------
def default_base_image(_: Known) -> str:
    """Return the official Python image of the version in .python-version."""
    return f"public.ecr.aws/docker/library/python:{(PROJECT / '.python-version').read_text().strip()}-slim"


@dataclass(frozen=True)
class Settings:
    """The settings of every project. Values found later, such as the account, go into a copy."""

    project_name: str = text(
        form="[a-z0-9]+(?:[._-][a-z0-9]+)*",
        allowed="lower-case letters and digits, with single . _ or - between them",
        required=True,
    )
    aws_region: str = text(form="[a-z]{2,4}(-[a-z]+)+-[0-9]+", allowed="a region, such as us-east-1", required=True)
    role_arn: str = text()
    role_name: str = text(
        default=lambda known: f"{known['project_name']}-{known['aws_region']}-exec",
        form="[A-Za-z0-9+=,.@_-]{1,64}",
        allowed="at most 64 letters, digits and + = , . @ _ -",
    )
    s3_bucket: str = text()
    vpc_subnets: tuple[str, ...] = names()
    vpc_security_groups: tuple[str, ...] = names()
    network_isolation: bool = flag()
    kms_key_id: str = text()
    base_image: str = text(default=default_base_image)
    image_uri: str = text()
    container_env: Mapping[str, str] = mapping()
    tags: Mapping[str, str] = mapping()
    poll_seconds: float = seconds(0.1, 600, 5.0)
    # Not settings themselves, although a module can declare model_data as one. The account comes from the credentials.
    model_data: str = ""
    account: str = ""

    @property
    def deployment(self) -> str:
        """The prefix of all resource names."""
        raise NotImplementedError

    @property
    def platform(self) -> str:
        """The platform the image is built for: linux/amd64 or linux/arm64."""
        raise NotImplementedError

    def problems(self) -> Iterator[str]:
        """Yield the problems of settings that are valid individually."""
        if bool(self.vpc_subnets) != bool(self.vpc_security_groups):
            yield "VPC_SUBNETS and VPC_SECURITY_GROUPS must be set together."


# --- reading ---------------------------------------------------------------------------------------------------------
SettingsT = TypeVar("SettingsT", bound=Settings)


def read(kind: type[SettingsT], deploy: Path = DEPLOY, environment: Mapping[str, str] = os.environ) -> SettingsT:
    """Read the settings of this class. Raise SettingError with every problem, one per line."""
    if (deploy / "settings.sh").exists():
        raise SettingError(
            "deploy/settings.sh is from an older version of this project and is no longer read.\n"
            "Copy your changes to deploy/settings.env, then delete deploy/settings.sh."
        )
    fields = [field for field in dataclasses.fields(kind) if "parse" in field.metadata]
    given, wrong = read_file(deploy / "settings.env", {field.name.upper() for field in fields})
    known: dict[str, Any] = {}
    for field in fields:
        name, default = field.name.upper(), field.metadata["default"]
        value = environment.get(name) or given.get(name, "")
        if callable(default) and not value:
            default = value = default(known)
        try:
            needed = value or field.metadata["required"]
            known[field.name] = field.metadata["parse"](str(value)) if needed else default
        except ValueError as error:
            wrong.append(f"{name} must be {error}, not {value!r}.")
            known[field.name] = default(known) if callable(default) else default
    settings = kind(**known)
    wrong += [] if wrong else settings.problems()
    if wrong:
        raise SettingError("\n".join(wrong))
    return settings


def read_file(file: Path, known: set[str]) -> tuple[dict[str, str], list[str]]:
    """Return the NAME=value lines of a file, and the problems with other lines. A value can be quoted."""
    given: dict[str, str] = {}
    wrong = []
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        return {}, [f"deploy/{file.name} must be UTF-8."]
    for at, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found, where = LINE.fullmatch(line.strip()), f"deploy/{file.name}, line {at}:"
        if not found:
            wrong.append(f"{where} expected NAME=value, found {line.strip()!r}.")
        elif found["name"] not in known:
            near = difflib.get_close_matches(found["name"], known, 1)
            wrong.append(f"{where} there is no setting {found['name']}.{f' Did you mean {near[0]}?' if near else ''}")
        elif found["name"] in given:
            wrong.append(f"{where} {found['name']} is set twice.")
        elif (value := found["value"].strip()).startswith(("'", '"')) and not re.fullmatch(QUOTED, value):
            wrong.append(f"{where} {value} has no matching closing quotation mark.")
        else:
            given[found["name"]] = unquote(value)
    return given, wrong


def unquote(value: str) -> str:
    """Remove the quotes of a value, and the escapes in them, as dotenv does."""
    if not value.startswith(("'", '"')):
        return value
    escaped = r"\\([\"\\])" if value[0] == '"' else r"\\(')"
    return re.sub(escaped, r"\1", value[1:-1])
