"""test/run_local.sh, with this interpreter instead of the virtual environment that it would create."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from project import (
    PYTHON,
    STARTING,
    TEMPLATES,
    assemble,
    list_children,
    list_descendants,
    lock_nothing,
    wait_for,
    write_sample,
)


@pytest.fixture
def project(samples: dict[str, Path], tmp_path: Path) -> Path:
    folder = assemble(tmp_path / "project", "fastapi", samples["json"])
    for name in ("run_local.sh", "local_server.py"):
        shutil.copy(TEMPLATES / "test/test" / name, folder / "test")
    lock_nothing(folder, ".")
    return folder


def run_local(project: Path, *arguments: object, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [project / "test/run_local.sh", *map(str, arguments)],
        cwd=project.parent,
        env={**os.environ, "PYTHON": sys.executable, "TMPDIR": str(project), **environ},
        capture_output=True,
        text=True,
    )


@contextmanager
def keep(project: Path, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """Run run_local.sh --keep until its server is ready. Its output is in the files out and err."""
    command = [project / "test/run_local.sh", "--keep", *arguments]
    with (project / "out").open("w") as out, (project / "err").open("w") as err:
        script = subprocess.Popen(command, env={**os.environ, "PYTHON": sys.executable}, stdout=out, stderr=err)
    try:
        wait_for(lambda: script.poll() is not None or "Its log:" in read_errors(project), "the server", STARTING)
        yield script
    finally:
        script.terminate()
        script.wait(30)


def read_errors(project: Path) -> str:
    return (project / "err").read_text()


def paste_curl(project: Path) -> "subprocess.CompletedProcess[str]":
    """Run the printed curl command in another folder."""
    [command] = re.findall("^  (curl .*)$", read_errors(project), re.MULTILINE)
    return subprocess.run(command, shell=True, cwd="/", capture_output=True, text=True)


def change_handler(project: Path, old: str, new: str) -> None:
    handler = project / "code/model_handler.py"
    text = handler.read_text()
    assert text.count(old) == 1
    handler.write_text(text.replace(old, new))


LOAD = "    path = model_dir / "
PREDICT = "    return inputs @ model.weights + model.bias\n"


def test_the_response_is_the_last_line_of_stdout(project: Path) -> None:
    done = run_local(project)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["predictions"]) == 2
    assert done.stderr.splitlines()[1:] == ["Sending test/sample_request.json"]
    assert list(project.glob("tmp.*")) == []


def test_help_and_unknown_arguments(project: Path) -> None:
    assert run_local(project, "--help").stdout.startswith("Usage: test/run_local.sh")
    assert run_local(project, "--fast").returncode == 2
    assert run_local(project, "a.json", "text/csv", "b.json").returncode == 2


@pytest.mark.parametrize(
    "arguments", [("--wait",), ("--wait", "0"), ("--wait", "-5"), ("--wait=1.5",), ("--wait", "2m")]
)
def test_an_invalid_wait_is_rejected(project: Path, arguments: tuple[str, ...]) -> None:
    done = run_local(project, *arguments)
    assert done.returncode == 2
    assert "--wait takes whole seconds, 1 to 99999" in done.stderr


def test_the_sample_is_trained_if_the_model_folder_is_empty(project: Path) -> None:
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
    assert '{"instances": [[1.0, 2.0]]}' in done.stderr
    assert "test/run_local.sh FILE" in done.stderr
    assert "test/run_local.sh --keep" in done.stderr


def test_the_content_type_is_inferred_from_the_extension(project: Path) -> None:
    expected = run_local(project).stdout
    (project / "test/sample_request.json").unlink()
    (project / "test/sample_request.csv").rename(project / "one request.CSV")
    done = run_local(project, "project/one request.CSV")
    assert (done.returncode, done.stdout) == (0, expected), done.stderr


def test_a_content_type_can_be_given(project: Path) -> None:
    other = (project / "test/sample_request.csv").rename(project / "request.txt")
    assert len(json.loads(run_local(project, other, "text/csv").stdout)["predictions"]) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.json", "none.json is not a readable file."),
        ("project/requirements.txt", "Cannot infer the content type of project/requirements.txt."),
    ],
)
def test_a_file_that_cannot_be_sent_is_an_error_before_anything_is_installed(
    project: Path, name: str, message: str
) -> None:
    done = run_local(project, name, PYTHON="false")
    assert done.returncode == 1
    assert done.stderr.startswith(f"run_local.sh: {message}")


def test_a_response_that_is_not_json_is_printed_unchanged(project: Path) -> None:
    with (project / "code/model_handler.py").open("a") as handler:
        handler.write("\nMEDIA_TYPE = 'text/plain'\ndef encode(model, outputs): return 'two\\nlines'\n")
    assert run_local(project).stdout == "two\nlines\n"


def test_warnings_during_load_are_shown(project: Path) -> None:
    warn = "    import warnings; warnings.warn('saved by 1.2'); print('loading')\n"
    change_handler(project, LOAD, warn + LOAD)
    done = run_local(project)
    assert done.returncode == 0
    assert "\nWARNING While the model was loaded: saved by 1.2\n" in done.stderr
    assert "\nloading\n" in done.stderr
    assert "INFO" not in done.stderr


def test_a_failure_shows_the_servers_log(project: Path) -> None:
    (project / "model/model.json").write_text("broken")
    done = run_local(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "could not be loaded" in done.stderr
    assert done.stderr.endswith("run_local.sh: The server exited before it was ready.\n")
    check_traceback(done.stderr, "ERROR load() in model_handler.py failed.", "in load")


def check_traceback(output: str, message: str, where: str) -> None:
    """Expect one traceback, formatted as Python prints it and not as JSON."""
    assert re.search(rf"\n{re.escape(message)}( id=\S+)?\nTraceback \(most recent call last\):\n  File ", output)
    assert re.search(rf'\n  File "[^"]*code/model_handler.py", line \d+, {where}\n', output)
    assert output.count("Traceback") == 1
    assert "\n{" not in output


def test_a_handler_that_fails_shows_its_traceback(project: Path) -> None:
    change_handler(project, PREDICT, "    raise KeyError('price')\n")
    done = run_local(project)
    assert (done.returncode, done.stdout) == (1, "")
    check_traceback(done.stderr, "ERROR The handler failed.", "in predict")
    assert "\nKeyError: 'price'\n" in done.stderr
    assert done.stderr.endswith("run_local.sh: The server returned 500. Details are in its log above.\n")


def test_a_killed_server_is_reported(project: Path) -> None:
    change_handler(project, LOAD, "    import os; os.kill(os.getpid(), 9)\n" + LOAD)
    assert "run_local.sh: The server was killed by SIGKILL before it was ready." in run_local(project).stderr


def test_wait_limits_the_time_to_load(project: Path) -> None:
    change_handler(project, LOAD, "    import time; time.sleep(3)\n" + LOAD)
    program = project / "test/local_server.py"
    program.write_text(program.read_text().replace("PROGRESS_INTERVAL = 15", "PROGRESS_INTERVAL = 1"))
    done = run_local(project, "--wait", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "The server was not ready within 1 seconds." in done.stderr
    assert "test/run_local.sh --wait 2\n" in done.stderr
    done = run_local(project, "--wait=100")
    assert done.returncode == 0
    assert re.search(r"\nThe model is still loading after \d seconds; waiting up to 100\n", done.stderr)


def test_a_kept_server_answers_the_printed_command_until_ctrl_c(project: Path) -> None:
    with keep(project) as script:
        response = (project / "out").read_text()
        assert json.loads(paste_curl(project).stdout) == json.loads(response)
        wait_for(lambda: re.search("\nINFO invocation .*status=200 ", read_errors(project)), "the log")
        processes = list_descendants(script.pid)
        script.send_signal(signal.SIGINT)
        assert script.wait(30) == 0
        assert (project / "out").read_text() == response
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes), "all processes to end")


def test_a_server_is_kept_without_a_request(project: Path) -> None:
    (project / "test/sample_request.json").unlink()
    with keep(project) as script:
        assert "There is no test/sample_request.json, so nothing was sent." in read_errors(project)
        assert paste_curl(project).stdout == '{"error":"Expected 8 features per record, got 2."}'
        script.send_signal(signal.SIGINT)
        assert script.wait(30) == 0


def test_a_server_is_kept_after_a_failed_request(project: Path) -> None:
    (project / "it's.csv").write_text("1,2\n")
    with keep(project, str(project / "it's.csv")) as script:
        assert "run_local.sh: The server returned 400: Expected 8 features per record, got 2.\n" in read_errors(project)
        assert "Expected 8 features" in paste_curl(project).stdout
        script.send_signal(signal.SIGINT)
        assert script.wait(30) == 1


def test_a_kept_server_that_exits_is_a_failure(project: Path) -> None:
    with keep(project) as script:
        [server] = list_children(script.pid)
        os.kill(server, signal.SIGKILL)
        assert script.wait(30) == 1
        assert read_errors(project).endswith("run_local.sh: The server exited.\n")


def test_a_rejected_request_is_a_failure(project: Path) -> None:
    (project / "test/sample_request.json").write_text('{"instances": [[1]]}')
    done = run_local(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Expected 8 features per record, got 1." in done.stderr


def test_an_old_python_is_rejected(project: Path) -> None:
    assert "false is not Python 3.10 or newer" in run_local(project, PYTHON="false").stderr


@pytest.mark.parametrize("file", ["requirements.in", ".python-version", "requirements.txt"])
def test_an_outdated_lock_is_rejected(project: Path, file: str) -> None:
    with (project / file).open("a") as lines:
        lines.write("numpy==1.0\n")
    done = run_local(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is out of sync with ./requirements.in or .python-version. Run ./lock.sh" in done.stderr


def test_a_python_that_differs_from_the_image_is_reported(project: Path) -> None:
    lock_nothing(project, ".", image="3.99")
    done = run_local(project)
    assert f"Serving on Python {PYTHON}; the image has 3.99." in done.stderr
    assert "predictions" in done.stdout


@pytest.mark.parametrize(
    ("image", "advice"),
    [(PYTHON, "If it mentions Requires-Python"), ("3.99", f"is for Python 3.99, and this is {PYTHON}.")],
)
def test_packages_that_cannot_be_installed_are_reported(project: Path, image: str, advice: str) -> None:
    lock_nothing(project, ".", image=image)
    shutil.rmtree(project / ".venv")
    done = run_local(project, PIP_REQUIREMENT="absent.txt")
    assert (done.returncode, done.stdout) == (1, "")
    assert "requirements.txt cannot be installed; pip's error is above." in done.stderr
    assert advice in done.stderr


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


def test_a_second_interruption_kills_a_server_that_ignores_the_first(project: Path) -> None:
    block = "    import signal, time\n    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
    change_handler(project, LOAD, f"{block}    (model_dir / 'loading').touch()\n    time.sleep(60)\n{LOAD}")
    script = subprocess.Popen([project / "test/run_local.sh"], env={**os.environ, "PYTHON": sys.executable})
    wait_for((project / "model/loading").exists, "the server to load")
    processes = list_descendants(script.pid)
    script.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        script.wait(1)
    script.send_signal(signal.SIGINT)
    assert script.wait(10) == 130
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)
