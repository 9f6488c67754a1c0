"""The settings of a deployment: deploy/settings.env, and variables of the same name in the environment, which win.

Each part of the program says which settings it takes, as the fields of a frozen dataclass; project.py puts the parts of
this project together. A field has the name of its setting in small letters.
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
    """Settings that cannot be used: a line for each, with its name, its value and what it has to be."""


# --- kinds of settings -----------------------------------------------------------------------------------------------
def setting(parse: Callable[[str], Any], default: Any, required: bool = False) -> Any:
    """A setting: `parse` makes its value of a text, or raises ValueError with what it has to be.

    Where it is empty it has the default, which may be a function of the settings before it, unless it is required.
    """
    return dataclasses.field(default=None, metadata={"parse": parse, "default": default, "required": required})


def text(default: str | Callable[[Known], str] = "", form: str = "", allowed: str = "", required: bool = False) -> Any:
    """A text, of a form (a regular expression) that `allowed` says in words."""

    def parse(value: str) -> str:
        if form and not re.fullmatch(form, value):
            raise ValueError(allowed)
        return value

    return setting(parse, default, required)


def number(least: int, most: int, default: int | Callable[[Known], int] | None = None) -> Any:
    """A whole number from `least` to `most`."""

    def parse(value: str) -> int:
        if not value.isdecimal() or len(value) > 9 or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return setting(parse, least if default is None else default)


def optional_number(least: int, most: int) -> Any:
    """A whole number, or None where the setting is empty."""
    field = number(least, most)
    return setting(field.metadata["parse"], None)


def choice(*values: str) -> Any:
    """One of `values`, the first where it is empty."""

    def parse(value: str) -> str:
        if value not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return value

    return setting(parse, values[0])


def flag() -> Any:
    """true or false; false where it is empty."""
    field = choice("false", "true")
    return setting(lambda value: bool(field.metadata["parse"](value) == "true"), False)


def names() -> Any:
    """Names with commas between them."""
    return setting(lambda value: tuple(each.strip() for each in value.split(",") if each.strip()), ())


def mapping() -> Any:
    """A JSON object of texts."""

    def parse(value: str) -> Mapping[str, str]:
        try:
            found = json.loads(value)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
            raise ValueError("""a JSON object of strings, such as {"team": "fraud"}""")
        return found

    return setting(parse, {})


def place(form: str = "s3://[^/]+.*", allowed: str = "s3://BUCKET/…") -> Any:
    """A place in S3."""
    return text(form=form, allowed=allowed)


def resource_name() -> Any:
    """A name of SageMaker's, PROJECT_NAME where it is empty."""
    form, allowed = "[A-Za-z0-9](-*[A-Za-z0-9]){0,62}", "letters, digits and hyphens between them, 63 at most"
    return text(lambda known: str(known["project_name"]), form, allowed)


def seconds(least: float, most: float, default: float) -> Any:
    """Seconds, with decimals."""

    def parse(value: str) -> float:
        if not value.replace(".", "", 1).isdecimal() or len(value) > 9 or not least <= float(value) <= most:
            raise ValueError(f"a number of seconds from {least} to {most}")
        return float(value)

    return setting(parse, default)


# --- the settings of every project -----------------------------------------------------------------------------------
def base_image_of(_: Known) -> str:
    """Python's own image, of the version in .python-version."""
    return f"public.ecr.aws/docker/library/python:{(PROJECT / '.python-version').read_text().strip()}-slim"


@dataclass(frozen=True)
class Settings:
    """The settings of every project. What is found out on the way, as the account, goes into a copy of them."""

    project_name: str = text(
        form="[a-z0-9]+(?:[._-][a-z0-9]+)*", allowed="small letters and digits, . _ - between", required=True
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
    base_image: str = text(default=base_image_of)
    image_uri: str = text()
    container_env: Mapping[str, str] = mapping()
    tags: Mapping[str, str] = mapping()
    poll_seconds: float = seconds(0.1, 600, 5.0)
    # No settings where a part of the project does not make them one: where the model is, and whose the credentials are.
    model_data: str = ""
    account: str = ""

    @property
    def deployment(self) -> str:
        """What the names of all resources begin with."""
        raise NotImplementedError

    @property
    def platform(self) -> str:
        """What the image is built for: linux/amd64 or linux/arm64."""
        raise NotImplementedError

    def problems(self) -> Iterator[str]:
        """What is wrong with settings that are good one by one."""
        if bool(self.vpc_subnets) != bool(self.vpc_security_groups):
            yield "VPC_SUBNETS and VPC_SECURITY_GROUPS have to be set together."


# --- reading ---------------------------------------------------------------------------------------------------------
Some = TypeVar("Some", bound=Settings)


def read(kind: type[Some], deploy: Path = DEPLOY, environment: Mapping[str, str] = os.environ) -> Some:
    """The settings of this kind. Raises SettingError with all that is wrong, a line each."""
    if (deploy / "settings.sh").exists():
        raise SettingError(
            "deploy/settings.sh is of an older version of this project and is not read any more.\n"
            "Copy what you changed in it into deploy/settings.env, and delete it."
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
            wrong.append(f"{name} has to be {error}, and is {value!r}.")
            known[field.name] = default(known) if callable(default) else default
    settings = kind(**known)
    wrong += [] if wrong else settings.problems()
    if wrong:
        raise SettingError("\n".join(wrong))
    return settings


def read_file(file: Path, known: set[str]) -> tuple[dict[str, str], list[str]]:
    """The lines NAME=value of a file, and what is wrong with others. A value may be in quotes."""
    given: dict[str, str] = {}
    wrong = []
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        return {}, [f"deploy/{file.name} has to be UTF-8."]
    for at, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found, where = LINE.fullmatch(line.strip()), f"deploy/{file.name}, line {at}:"
        if not found:
            wrong.append(f"{where} a line has to be NAME=value, and is {line.strip()!r}.")
        elif found["name"] not in known:
            near = difflib.get_close_matches(found["name"], known, 1)
            wrong.append(f"{where} there is no setting {found['name']}.{f' Did you mean {near[0]}?' if near else ''}")
        elif found["name"] in given:
            wrong.append(f"{where} {found['name']} is there twice.")
        elif (value := found["value"].strip()).startswith(("'", '"')) and not re.fullmatch(QUOTED, value):
            wrong.append(f"{where} {value} has to end with the quotation mark that it starts with.")
        else:
            given[found["name"]] = unquote(value)
    return given, wrong


def unquote(value: str) -> str:
    """A value without its quotes, as dotenv and others write them."""
    if not value.startswith(("'", '"')):
        return value
    escaped = r"\\([\"\\])" if value[0] == '"' else r"\\(')"
    return re.sub(escaped, r"\1", value[1:-1])
