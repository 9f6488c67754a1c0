"""test/run_local.sh, with this interpreter in the place of the virtual environment that it would download."""

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
    """run_local.sh --keep, once its server runs; what it says is in out and err."""
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
    """What the command on the screen prints, in another folder."""
    [command] = re.findall("^  (curl .*)$", read_errors(project), re.MULTILINE)
    return subprocess.run(command, shell=True, cwd="/", capture_output=True, text=True)


def change_handler(project: Path, old: str, new: str) -> None:
    handler = project / "code/model_handler.py"
    text = handler.read_text()
    assert text.count(old) == 1
    handler.write_text(text.replace(old, new))


LOAD = "    path = model_dir / "
PREDICT = "    return inputs @ model.weights + model.bias\n"


def test_the_answer_is_the_last_line_of_stdout(project: Path) -> None:
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
def test_a_bad_time_to_wait_is_refused(project: Path, arguments: tuple[str, ...]) -> None:
    done = run_local(project, *arguments)
    assert done.returncode == 2
    assert "--wait takes whole seconds, 1 to 99999" in done.stderr


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
    assert '{"instances": [[1.0, 2.0]]}' in done.stderr
    assert "test/run_local.sh FILE" in done.stderr
    assert "test/run_local.sh --keep" in done.stderr


def test_a_file_is_sent_by_its_ending(project: Path) -> None:
    expected = run_local(project).stdout
    (project / "test/sample_request.json").unlink()
    (project / "test/sample_request.csv").rename(project / "one request.CSV")
    done = run_local(project, "project/one request.CSV")
    assert (done.returncode, done.stdout) == (0, expected), done.stderr


def test_a_content_type_may_be_given(project: Path) -> None:
    other = (project / "test/sample_request.csv").rename(project / "request.txt")
    assert len(json.loads(run_local(project, other, "text/csv").stdout)["predictions"]) == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.json", "There is no file to read at none.json."),
        ("project/requirements.txt", "Cannot infer the content type of project/requirements.txt."),
    ],
)
def test_a_file_that_cannot_be_sent_is_an_error_before_anything_is_installed(
    project: Path, name: str, said: str
) -> None:
    done = run_local(project, name, PYTHON="false")
    assert done.returncode == 1
    assert done.stderr.startswith(f"run_local.sh: {said}")


def test_an_answer_that_is_not_json_is_printed_as_it_is(project: Path) -> None:
    with (project / "code/model_handler.py").open("a") as handler:
        handler.write("\nMEDIA_TYPE = 'text/plain'\ndef encode(model, outputs): return 'two\\nlines'\n")
    assert run_local(project).stdout == "two\nlines\n"


def test_warnings_of_the_load_are_shown(project: Path) -> None:
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
    assert "does not load" in done.stderr
    assert done.stderr.endswith("run_local.sh: The server ended before it was ready.\n")
    check_traceback(done.stderr, "ERROR load() in model_handler.py failed.", "in load")


def check_traceback(said: str, message: str, where: str) -> None:
    """It is shown as Python prints it, once, and no line of it is JSON."""
    assert re.search(rf"\n{re.escape(message)}( id=\S+)?\nTraceback \(most recent call last\):\n  File ", said)
    assert re.search(rf'\n  File "[^"]*code/model_handler.py", line \d+, {where}\n', said)
    assert said.count("Traceback") == 1
    assert "\n{" not in said


def test_a_handler_that_fails_shows_its_traceback(project: Path) -> None:
    change_handler(project, PREDICT, "    raise KeyError('price')\n")
    done = run_local(project)
    assert (done.returncode, done.stdout) == (1, "")
    check_traceback(done.stderr, "ERROR The handler failed.", "in predict")
    assert "\nKeyError: 'price'\n" in done.stderr
    assert done.stderr.endswith("run_local.sh: The server answered 500. Its log says why.\n")


def test_a_server_that_is_killed_says_so(project: Path) -> None:
    change_handler(project, LOAD, "    import os; os.kill(os.getpid(), 9)\n" + LOAD)
    assert "run_local.sh: The server was killed by SIGKILL before it was ready." in run_local(project).stderr


def test_a_slow_load_is_waited_for_as_long_as_asked(project: Path) -> None:
    change_handler(project, LOAD, "    import time; time.sleep(3)\n" + LOAD)
    program = project / "test/local_server.py"
    program.write_text(program.read_text().replace("PROGRESS_INTERVAL = 15", "PROGRESS_INTERVAL = 1"))
    done = run_local(project, "--wait", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "The server did not answer /ping within 1 seconds." in done.stderr
    assert "test/run_local.sh --wait 2\n" in done.stderr
    done = run_local(project, "--wait=100")
    assert done.returncode == 0
    assert re.search(r"\nThe model is still loading after \d seconds; waiting up to 100\n", done.stderr)


def test_a_kept_server_answers_the_command_on_the_screen_until_ctrl_c(project: Path) -> None:
    with keep(project) as script:
        answer = (project / "out").read_text()
        assert json.loads(paste_curl(project).stdout) == json.loads(answer)
        wait_for(lambda: re.search("\nINFO invocation .*status=200 ", read_errors(project)), "the log")
        processes = list_descendants(script.pid)
        script.send_signal(signal.SIGINT)
        assert script.wait(30) == 0
        assert (project / "out").read_text() == answer
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes), "all processes to end")


def test_a_server_is_kept_without_a_request(project: Path) -> None:
    (project / "test/sample_request.json").unlink()
    with keep(project) as script:
        assert "There is no test/sample_request.json, so nothing was sent." in read_errors(project)
        assert paste_curl(project).stdout == '{"error":"Expected 8 features per record, got 2."}'
        script.send_signal(signal.SIGINT)
        assert script.wait(30) == 0


def test_a_server_is_kept_after_a_request_that_failed(project: Path) -> None:
    (project / "it's.csv").write_text("1,2\n")
    with keep(project, str(project / "it's.csv")) as script:
        assert "run_local.sh: The server answered 400: Expected 8 features per record, got 2.\n" in read_errors(project)
        assert "Expected 8 features" in paste_curl(project).stdout
        script.send_signal(signal.SIGINT)
        assert script.wait(30) == 1


def test_a_kept_server_that_ends_is_a_failure(project: Path) -> None:
    with keep(project) as script:
        [server] = list_children(script.pid)
        os.kill(server, signal.SIGKILL)
        assert script.wait(30) == 1
        assert read_errors(project).endswith("run_local.sh: The server ended.\n")


def test_a_refused_request_fails(project: Path) -> None:
    (project / "test/sample_request.json").write_text('{"instances": [[1]]}')
    done = run_local(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Expected 8 features per record, got 1." in done.stderr


def test_an_old_python_is_refused(project: Path) -> None:
    assert "false is not Python 3.10 or newer" in run_local(project, PYTHON="false").stderr


@pytest.mark.parametrize("file", ["requirements.in", ".python-version", "requirements.txt"])
def test_a_lock_that_does_not_belong_to_its_input_is_refused(project: Path, file: str) -> None:
    with (project / file).open("a") as lines:
        lines.write("numpy==1.0\n")
    done = run_local(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is out of date with ./requirements.in or .python-version. Run ./lock.sh" in done.stderr


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


def test_a_second_interruption_ends_a_server_that_does_not_listen(project: Path) -> None:
    deaf = "    import signal, time\n    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
    change_handler(project, LOAD, f"{deaf}    (model_dir / 'loading').touch()\n    time.sleep(60)\n{LOAD}")
    script = subprocess.Popen([project / "test/run_local.sh"], env={**os.environ, "PYTHON": sys.executable})
    wait_for((project / "model/loading").exists, "the server to load")
    processes = list_descendants(script.pid)
    script.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        script.wait(1)
    script.send_signal(signal.SIGINT)
    assert script.wait(10) == 130
    assert not any(Path(f"/proc/{pid}").exists() for pid in processes)
