"""PRELOAD = False: each worker loads the model itself, for libraries that do not survive a fork."""

import os
import runpy
from pathlib import Path

import pytest
from project import SKLEARN_HANDLER, Server, wait_for

HANDLER = """
import os
from serving.errors import StartError
PRELOAD = False
THREAD_SAFE = False
imported = os.getpid()
def load(model_dir):
    if (model_dir / "broken").exists(): raise StartError("This model is broken. Fix it.")
    return os.getpid()
def predict(model, inputs): return [[imported, model, os.getpid(), int(os.environ["OMP_NUM_THREADS"])]] * len(inputs)
"""


@pytest.fixture
def late(project: Path) -> Path:
    """A project whose handler returns which process imported, loaded and predicted."""
    (project / "code/model_handler.py").write_text(HANDLER)
    return project


def test_the_model_is_loaded_in_one_worker_with_all_cpus(late: Path, variant: str) -> None:
    with Server(late, variant, SM_THREADS="2") as server:
        server.wait_until_ready()
        imported, loaded, predicted, threads = server.invoke([1]).json()["predictions"][0]
        assert imported == server.process.pid
        assert loaded == predicted != imported
        assert threads == len(os.sched_getaffinity(0))
    log = server.log()
    assert log.count("The model is loaded.") == 1
    assert "SM_THREADS is 2, but THREAD_SAFE is False: using one thread." in log


def test_each_of_several_workers_loads_the_model(late: Path, variant: str) -> None:
    with Server(late, variant, SM_WORKERS="2") as server:
        server.wait_until_ready()
        wait_for(lambda: server.log().count("The model is loaded.") == 2, "the model in both processes")
        found = {tuple(server.invoke([1]).json()["predictions"][0][1:3]) for _ in range(40)}
    assert all(loaded == predicted for loaded, predicted in found)
    assert server.log().count("The model is loaded.") == 2


def test_a_broken_model_stops_the_server_and_the_reason_is_the_last_line(late: Path, variant: str) -> None:
    (late / "model/broken").touch()
    with Server(late, variant) as server:
        assert server.wait() == 1
    assert server.last_line() == "This model is broken. Fix it."
    assert server.log().count("This model is broken") == 1


@pytest.mark.parametrize(("threads", "installed", "preloads"), [(1, True, True), (2, True, False), (2, False, True)])
def test_a_pickled_booster_with_threads_is_loaded_after_the_fork(
    threads: int, installed: bool, preloads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.settings.count_math_threads", lambda: threads)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: "found" if installed and name == "lightgbm" else None)
    assert runpy.run_path(str(SKLEARN_HANDLER))["PRELOAD"] is preloads
