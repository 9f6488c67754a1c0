"""Generated projects of one framework, in an environment with its requirements (test/support/frameworks.ts):

    pytest test/frameworks --framework=xgboost --projects=FOLDER

Each framework has its own test_FRAMEWORK.py; test_every.py and test_training.py apply to all.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "test/serve"), str(ROOT / "templates/container/code")]

from project import Server  # noqa: E402

times: dict[str, str] = {}  # project -> a line for the summary


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--framework", required=True)
    parser.addoption("--projects", required=True, type=Path)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore the tests of other frameworks, whose libraries are not installed."""
    framework = config.getoption("framework")
    trains = any(config.getoption("projects").glob(f"{framework}-*/train"))
    columns = ["test_columns"] if framework == "sklearn" else []
    converts = ["test_convert"] if framework in ("sklearn", "xgboost", "lightgbm", "catboost") else []
    own = (
        f"test_{framework}",
        "test_every",
        "test_published",
        *columns,
        *converts,
        *(["test_training"] if trains else []),
    )
    return (collection_path.suffix == ".py" and collection_path.stem not in own) or None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`folder` is each project: every format and server. `one` is one project per format, `first` the first of them."""
    folders = sorted(metafunc.config.getoption("projects").glob(f"{metafunc.config.getoption('framework')}-*"))
    assert folders, "there are no projects"
    ones = [path for path in folders if path.name.endswith("-fastapi")]
    for name, paths in (("folder", folders), ("one", ones), ("first", ones[:1])):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, paths, ids=lambda path: path.name, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests whose mark `only_for` does not list this framework."""
    framework = config.getoption("framework")
    marks = [(item, item.get_closest_marker("only_for")) for item in items]
    items[:] = [item for item, mark in marks if mark is None or framework in mark.args[0]]


@cache
def train(path: Path) -> str:
    """Train the sample, once for all servers, and return the output."""
    sibling = path.with_name(path.name.replace("-flask", "-fastapi"))
    if sibling != path:
        output = train(sibling)
        for part in ("model", "test"):
            shutil.copytree(sibling / part, path / part, dirs_exist_ok=True)
        times[path.name] = "trained already"
        return output
    started = time.monotonic()
    done = subprocess.run([sys.executable, path / "sample_model/train.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    times[path.name] = f"trained in {time.monotonic() - started:.1f} s"
    return done.stdout


def trained(request: pytest.FixtureRequest) -> Path:
    """A project with a trained sample model."""
    train(request.param)
    return Path(request.param)


folder = pytest.fixture(scope="session", name="folder")(trained)
one = pytest.fixture(scope="session", name="one")(trained)
first = pytest.fixture(scope="session", name="first")(trained)


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[Server]:
    """A server of a project's sample model, started with code/serve."""
    started = time.monotonic()
    with Server(folder, folder.name.rpartition("-")[2], SM_LOG_LEVEL="WARNING") as running:
        running.wait_until_ready()
        times[folder.name] += f", ready after {time.monotonic() - started:.1f} s"
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, line in times.items():
        terminalreporter.write_line(f"{name}: {line}")


@contextmanager
def replace_model(project: Path, folder: Path) -> Iterator[tuple[Path, Callable[[], Server]]]:
    """Copy a project for another model. Yields its empty model folder and a function that starts its server."""
    copy = folder / "project"
    shutil.copytree(project, copy)
    shutil.rmtree(copy / "model")
    (copy / "model").mkdir()
    with ExitStack() as stack:
        yield copy / "model", lambda: stack.enter_context(Server(copy, "fastapi")).wait_until_ready()
