"""The deployer, imported from templates/deploy, and settings for each kind of project."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

import pytest

DEPLOY = Path(__file__).parents[2] / "templates/deploy"
sys.path.insert(0, str(DEPLOY))
sys.dont_write_bytecode = True  # templates/ is published as it is

from deployer import hints, state  # noqa: E402
from deployer import settings as base  # noqa: E402
from deployer.requests import (  # noqa: E402
    asynchronous,
    by_backlog,
    by_concurrency,
    by_invocations,
    by_utilization,
    endpoint,
    model,
    model_archive,
    model_files,
    model_image,
    model_many,
    realtime,
    serverless,
    transform,
)

Some = TypeVar("Some", bound=base.Settings)
ACCOUNT = "123456789012"
BUCKET = f"sagemaker-us-east-1-{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/demo-us-east-1-exec"
# The settings shared by all tests. The account and the bucket are those that sign_in() would find.
COMMON = {
    "PROJECT_NAME": "demo",
    "AWS_REGION": "us-east-1",
    "ROLE_ARN": ROLE,
    "S3_BUCKET": BUCKET,
    "IMAGE_URI": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/demo@sha256:{'a' * 64}",
    "BASE_IMAGE": "python:3.13-slim",
    "INSTANCE_TYPE": "ml.m6g.large",
}
ARCHIVE = {"MODEL_DATA": f"s3://{BUCKET}/demo/{'b' * 64}/model.tar.gz"}
INSTANCE = {"INSTANCE_TYPE": "ml.m6g.large"}


class Read(Protocol):
    """Reads settings of a class from the given variables and COMMON."""

    def __call__(self, kind: type[Some], **given: str) -> Some: ...


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read settings from variables, with an empty settings.env."""

    def read_settings(kind: type[Some], **given: str) -> Some:
        (tmp_path / "settings.env").write_text("")
        return base.read(kind, tmp_path, {**COMMON, **given})

    return read_settings


# --- kinds of projects -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Realtime(model_archive.Settings, realtime.Settings, by_invocations.Settings):
    """One model as an archive, on a real-time endpoint."""


@dataclass(frozen=True)
class InImage(model_image.Settings, realtime.Settings, by_invocations.Settings):
    """One model baked into the image."""


@dataclass(frozen=True)
class Many(model_many.Settings, realtime.Settings, by_invocations.Settings):
    """A multi-model endpoint."""


@dataclass(frozen=True)
class Language(model_files.Settings, realtime.Settings, by_concurrency.Settings):
    """A language model."""


@dataclass(frozen=True)
class Async(model_archive.Settings, asynchronous.Settings, by_backlog.Settings):
    """An asynchronous endpoint."""


@dataclass(frozen=True)
class Serverless(model_archive.Settings, serverless.Settings, by_utilization.Settings):
    """A serverless endpoint."""


@dataclass(frozen=True)
class Batch(model_archive.Settings, transform.Settings):
    """A batch transform job."""


# The modules that project.py imports for each: the model's source, the target and its scaling.
CHOICES: dict[type[base.Settings], tuple[ModuleType, ModuleType, ModuleType]] = {
    Realtime: (model_archive, realtime, by_invocations),
    InImage: (model_image, realtime, by_invocations),
    Many: (model_many, realtime, by_invocations),
    Language: (model_files, realtime, by_concurrency),
    Async: (model_archive, asynchronous, by_backlog),
    Serverless: (model_archive, serverless, by_utilization),
    Batch: (model_archive, transform, by_invocations),
}


class Choose(Protocol):
    """Selects the request modules of a kind of project."""

    def __call__(self, kind: type[base.Settings]) -> None: ...


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Select the request modules, as project.py of such a project does."""

    def choose_kind(kind: type[base.Settings]) -> None:
        source, target, scaling = CHOICES[kind]
        monkeypatch.setattr(model, "source", source)
        monkeypatch.setattr(model, "target", target)
        monkeypatch.setattr(endpoint, "target", target)
        monkeypatch.setattr(endpoint, "scaling", scaling)

    return choose_kind


# --- a folder to run in ----------------------------------------------------------------------------------------------
@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, which is also the current folder. The hints refer to it."""
    root = tmp_path / "project"
    (root / "deploy").mkdir(parents=True)
    monkeypatch.setattr(hints, "PROJECT", root)
    monkeypatch.setattr(hints, "DEPLOY", root / "deploy")
    monkeypatch.setattr(hints, "DEPLOY_PY", root / "deploy/deploy.py")
    monkeypatch.setattr(state, "DEPLOY", root / "deploy")
    monkeypatch.setattr(sys, "argv", ["deploy/deployer"])
    monkeypatch.chdir(root)
    return root


def make(root: Path, *files: str) -> None:
    """Create empty files in a project."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()


def strings(value: Any) -> Iterator[str]:
    """Yield all leaves of a JSON value as strings."""
    if isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    else:
        yield value if isinstance(value, str) else json.dumps(value)
