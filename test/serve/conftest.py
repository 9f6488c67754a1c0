"""Puts the templates on sys.path, and provides projects and running servers."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from project import SKLEARN_HANDLER, TEMPLATES, VARIANTS, Server, assemble, forget_code, write_sample

for folder in ("container/code", "frameworks/sklearn/code", "training/train"):
    sys.path.insert(0, str(TEMPLATES / folder))

import serving  # noqa: E402
from serving import user_code  # noqa: E402

serving.__path__.append(str(TEMPLATES / "multi-model/code/serving"))


class Samples(dict[str, Path]):
    """Folders with the model/ and test/ that train.py writes, by model format; created on first use."""

    def __init__(self, make_folder: Callable[[str], Path]) -> None:
        self.make_folder = make_folder

    def __missing__(self, name: str) -> Path:
        self[name] = self.make_folder(name)
        subprocess.run([sys.executable, write_sample(self[name], name)], check=True, capture_output=True)
        return self[name]


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return Samples(tmp_path_factory.mktemp)


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    """Each web server: fastapi, flask with only gunicorn, flask behind nginx."""
    if request.param == "flask-nginx" and not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    return str(request.param)


@pytest.fixture(scope="module")
def sample(samples: dict[str, Path]) -> Path:
    """The sample that tests serve: the one that starts fastest."""
    return samples["json"]


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project's code/ with scikit-learn's handler, next to model/. Its modules are removed after the test."""
    (tmp_path / "model").mkdir()
    code = tmp_path / "code"
    code.mkdir()
    shutil.copy(SKLEARN_HANDLER, code)
    monkeypatch.syspath_prepend(code)
    for name in ("__main__", "__mp_main__"):  # serving/user_code.py replaces them
        monkeypatch.setitem(sys.modules, name, sys.modules["__main__"])
    forget_code()
    yield code
    forget_code()
    user_code.install(code)  # clears its state


@pytest.fixture
def project(variant: str, sample: Path, tmp_path: Path) -> Path:
    """A project with the sample model, which the test can change."""
    return assemble(tmp_path / "project", variant, sample)


@pytest.fixture(scope="module")
def server(variant: str, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the sample model, shared by all tests of a module."""
    folder = assemble(tmp_path_factory.mktemp(variant) / "project", variant, sample)
    with Server(folder, variant) as running:
        yield running.wait_until_ready()
