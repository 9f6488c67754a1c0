"""Puts the templates on sys.path as they stand, and gives the tests projects and running servers."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import FORMATS, TEMPLATES, VARIANTS, Server, assemble, write_sample

for folder in ("container/code", "frameworks/sklearn/code", "training/train"):
    sys.path.insert(0, str(TEMPLATES / folder))

import serving  # noqa: E402

serving.__path__.append(str(TEMPLATES / "multi-model/code/serving"))


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sample model in each format: format -> the folder that train.py wrote model/ and test/ into."""
    folders = {}
    for name in FORMATS:
        folders[name] = tmp_path_factory.mktemp(name)
        subprocess.run([sys.executable, write_sample(folders[name], name)], check=True, capture_output=True)
    return folders


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    """Each way to serve: fastapi, flask with gunicorn alone, flask behind nginx."""
    if request.param == "flask-nginx" and not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    return str(request.param)


@pytest.fixture
def project(variant: str, samples: dict[str, Path], tmp_path: Path) -> Path:
    """A project with the sample model, for the test to change."""
    return assemble(tmp_path / "project", variant, samples["joblib"])


@pytest.fixture(scope="module")
def server(variant: str, samples: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The sample model, served; one server for all tests of a module."""
    folder = assemble(tmp_path_factory.mktemp(variant) / "project", variant, samples["joblib"])
    with Server(folder, variant) as running:
        yield running.wait_until_ready()
