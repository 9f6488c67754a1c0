"""test/run_local.sh, with this interpreter in the place of the virtual environment that it would download."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from project import PYTHON, TEMPLATES, assemble, list_descendants, lock_nothing, wait_for, write_sample


@pytest.fixture
def project(samples: dict[str, Path], tmp_path: Path) -> Path:
    folder = assemble(tmp_path / "project", "fastapi", samples["json"])
    shutil.copy(TEMPLATES / "test/test/run_local.sh", folder / "test")
    lock_nothing(folder, ".")
    return folder


def run_local(project: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [project / "test/run_local.sh", *arguments],
        env={**os.environ, "PYTHON": sys.executable, "TMPDIR": str(project), **environ},
        capture_output=True,
        text=True,
    )


def test_the_answer_is_the_last_line_of_stdout(project: Path) -> None:
    done = run_local(project)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["predictions"]) == 2
    assert list(project.glob("tmp.*")) == []


def test_help_and_unknown_arguments(project: Path) -> None:
    assert run_local(project, "--help").stdout.startswith("Usage: test/run_local.sh")
    assert run_local(project, "--fast").returncode == 2


def test_an_empty_model_folder_is_filled_by_the_sample(project: Path) -> None:
    (project / "model/model.json").unlink()
    (project / "model/.gitkeep").touch()
    assert "model/ is empty. Put your model files there." in run_local(project).stderr
    write_sample(project, "json")
    done = run_local(project)
    assert (project / "model/model.json").exists()
    assert "predictions" in done.stdout


def test_a_missing_request_says_which_file_to_create(project: Path) -> None:
    (project / "test/sample_request.json").unlink()
    done = run_local(project)
    assert done.returncode == 1
    assert "There is no test/sample_request.json. Create it" in done.stderr


def test_a_failure_shows_the_servers_log(project: Path) -> None:
    (project / "model/model.json").write_text("broken")
    done = run_local(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not load" in done.stderr
    assert done.stderr.endswith("run_local.sh: The server ended before it was ready.\n")


def test_a_refused_request_fails(project: Path) -> None:
    (project / "test/sample_request.json").write_text('{"instances": [[1]]}')
    done = run_local(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Expected 8 features a record, got 1." in done.stderr


def test_an_old_python_is_refused(project: Path) -> None:
    assert "false is not Python 3.10 or newer" in run_local(project, PYTHON="false").stderr


@pytest.mark.parametrize("file", ["requirements.in", ".python-version", "requirements.txt"])
def test_a_lock_that_does_not_belong_to_its_input_is_refused(project: Path, file: str) -> None:
    with (project / file).open("a") as lines:
        lines.write("numpy==1.0\n")
    done = run_local(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not belong to ./requirements.in and .python-version. Type: ./lock.sh" in done.stderr


def test_another_python_than_that_of_the_image_is_said_on_screen(project: Path) -> None:
    lock_nothing(project, ".", image="3.99")
    done = run_local(project)
    assert f"Serving on Python {PYTHON}; the image has 3.99." in done.stderr
    assert "predictions" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_no_process_behind(project: Path, number: signal.Signals) -> None:
    handler = "import pathlib, time\ndef load(d):\n  (d / 'loading').touch()\n  time.sleep(60)\ndef predict(m, i): pass"
    (project / "code/model_handler.py").write_text(handler)
    script = subprocess.Popen([project / "test/run_local.sh"], env={**os.environ, "PYTHON": sys.executable})
    wait_for((project / "model/loading").exists, "the server to load")
    processes = list_descendants(script.pid)
    assert processes
    script.send_signal(number)
    assert script.wait(10) == 128 + number
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes), "all processes to end")
