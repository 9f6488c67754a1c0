"""test/check_contract.py: a good server passes, each rule detects the servers that break it. Images: test/docker."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from contract_server import BREAKS, CONTAINER_BREAKS
from project import TEMPLATES, Server, find_free_port, wait_for

FOLDER = TEMPLATES / "test/test"
CHECK = FOLDER / "check_contract.py"
CONFIG = Path(__file__).with_name("pyproject.toml")
CONTRACT_SERVER = Path(__file__).with_name("contract_server.py")
sys.path.insert(0, str(FOLDER))

import check_contract  # noqa: E402
from check_contract import IMAGE, MODEL, RULES, START, TABULAR, Timeout  # noqa: E402

SLOW = ["32 clients send requests", "16 different requests", "25 MB"]  # parts of slow rules
SAMPLE = b'{"instances": [[1.0, 2.0, 3.0], [4.5, 5.0, 6.25]]}'
ALSO = {  # a way to break the contract -> parts of the other rules that it breaks
    "ping-refused": ["slowly", "not HTTP"],
    "ping-slow": ["slowly", "not HTTP"],
    "accepts-one": ["their own response", "slowly"],
    "predictions-named-otherwise": [""],
    "predictions-too-many": [""],
    "sample-refused": [""],
    "one-key": ["a single record"],
    "no-bare-array": ["a single record"],
    "content-type-exact": ["text/csv with"],
    "error-with-stack": ["wrong length"],
    "error-with-path": ["wrong length"],
    "error-with-exception": ["wrong length"],
    "csv-is-json": ["q-values"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project, in a folder with a space in its name, with the check, a model and a request."""
    folder = tmp_path_factory.mktemp("check") / "my project"
    shutil.copytree(FOLDER, folder / "test", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "test/sample_request.json").write_bytes(SAMPLE)
    (folder / "model").mkdir()
    (folder / "model/model.json").write_text('{"weights": [1.5, -2.0, 0.25]}')
    return folder


@contextmanager
def serve(project: Path, *arguments: str) -> Iterator[tuple[str, int]]:
    """Run the contract server and yield its address."""
    port = find_free_port()
    environ = {**os.environ, "SM_MODEL_DIR": str(project / "model"), "SAGEMAKER_BIND_TO_PORT": str(port)}
    command = [sys.executable, str(CONTRACT_SERVER), "serve", *arguments]
    with subprocess.Popen(command, env=environ) as process:
        try:
            wait_for(lambda: is_open(port), "the contract server")
            yield "127.0.0.1", port
        finally:
            process.kill()


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def good(project: Path) -> Iterator[str]:
    """The URL of a server that keeps the contract."""
    with serve(project) as (host, port):
        yield f"http://{host}:{port}"


def check(project: Path, *arguments: object, **environ: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, project / "test/check_contract.py", *map(str, arguments)],
        env={**os.environ, **environ},
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_good_server_passes_from_any_folder_and_despite_a_proxy(project: Path, good: str) -> None:
    done = check(project, good, http_proxy="http://127.0.0.1:1")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{len(RULES)} passed, 0 failed"), done.stdout
    assert done.stdout.splitlines()[:-1] == [f"pass  {rule}" for rule in RULES]
    assert done.stderr == "12 rules about the container need --image.\n"


@pytest.mark.parametrize("name", [name for name in BREAKS if name not in CONTAINER_BREAKS])
def test_a_server_that_breaks_a_rule_fails_only_that_rule(name: str, project: Path) -> None:
    (wanted,) = [rule for rule in RULES if BREAKS[name] in rule]
    with serve(project, "--break", name) as address:
        server = check_contract.Server(address, SAMPLE)
        faults = {
            rule: check_contract.find_fault(function, server)
            for rule, function in RULES.items()
            if rule == wanted or not any(part in rule for part in SLOW + ALSO.get(name, []))
        }
    assert {rule: fault for rule, fault in faults.items() if fault} == {wanted: faults[wanted]}
    assert faults[wanted]


def test_each_rule_has_a_server_that_breaks_it() -> None:
    rules = [*RULES, *START, *IMAGE, *MODEL]
    built = ("label com", "no files in /opt/ml", "tini")  # broken by how an image is built: test/docker
    for rule in rules:
        assert any(part in rule for part in (*BREAKS.values(), *built)), rule


def test_a_failure_shows_what_was_seen_and_what_is_expected(project: Path) -> None:
    with serve(project, "--break", "csv-header") as (host, port):
        done = check(project, f"http://{host}:{port}")
    (failure,) = [line for line in done.stdout.splitlines() if line.startswith("fail")]
    assert failure == (
        "fail  Accept: text/csv gets one line per record: POST /invocations application/json text/csv "
        """'{"instances": [[1.0, 2.0, 3.0], [4.5, 5....' got 200 text/csv 'prediction\\n-1.75\\n-1.6875\\n'; """
        "expected [[-1.75], [-1.6875]]"
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, f"{len(RULES) - 1} passed, 1 failed")


def test_without_a_server_one_rule_fails_with_a_hint(project: Path) -> None:
    started = time.monotonic()
    done = check(project, f"http://127.0.0.1:{find_free_port()}")
    assert time.monotonic() - started < 5
    assert (done.returncode, done.stdout.splitlines()[1:]) == (1, ["0 passed, 1 failed"])
    assert done.stdout.startswith("fail  /ping returns 200 in under 2 s: GET /ping got no response: ")
    assert "No server responds at this URL. Start one first" in done.stderr


def test_a_server_that_dies_fails_that_rule_and_the_remaining_ones(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = sorted(RULES, key=lambda rule: ("leave the server working" in rule) - ("/ping returns 200" in rule))
    noise = order.pop()
    order.insert(1, noise)
    with serve(project, "--break", "noise-kills") as address:
        server = check_contract.Server(address, SAMPLE)
        passed = check_contract.check({rule: RULES[rule] for rule in order}, server, server.is_alive)
    assert passed == [True] + [False] * (len(RULES) - 1)
    first, second, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("pass  /ping") and second.startswith(f"fail  {noise}: GET /ping got no response")
    assert all(line.endswith(": the server no longer responds") for line in others)


@contextmanager
def answer_with(respond: Callable[[socket.socket], object]) -> Iterator[tuple[str, int]]:
    """Run a server that calls `respond` for each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=respond, args=[connection], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


def drip(connection: socket.socket) -> None:
    """Send a response that never ends."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    try:
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)
    except OSError:
        connection.close()


@pytest.mark.parametrize("respond", [lambda connection: time.sleep(60), drip])
def test_a_server_that_hangs_or_drips_times_out(respond: Callable[[socket.socket], object]) -> None:
    with answer_with(respond) as address:
        server = check_contract.Server(address, SAMPLE)
        server.limit = 0.5
        started = time.monotonic()
        with pytest.raises(Timeout, match=r"POST /invocations got no response within 0\.5 s"):
            server.agree(SAMPLE)
        assert time.monotonic() - started < 2


def test_a_server_that_returns_nonsense_fails_without_a_traceback(project: Path) -> None:
    def send_nonsense(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n\xff\xfe{]\0"
        )
        connection.close()

    with answer_with(send_nonsense) as (host, port):
        done = check(project, f"http://{host}:{port}")
    assert done.returncode == 1
    assert "; expected a JSON object" in done.stdout


def test_metrics_are_optional() -> None:
    def send_not_found(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.close()

    with answer_with(send_not_found) as address:
        assert check_contract.read_metrics(check_contract.Server(address, SAMPLE)) == {}


def test_rules_that_do_not_apply_are_not_counted(project: Path, good: str, tmp_path: Path) -> None:
    request = tmp_path / "texts.json"
    request.write_text('{"inputs": ["one", "two"], "parameters": {}}')
    done = check(project, good, "--request", request)
    assert f"{len(TABULAR)} rules do not apply: they are for records that are lists of numbers." in done.stderr
    passed, _, failed, _ = done.stdout.splitlines()[-1].split()
    assert int(passed) + int(failed) == len(RULES) - len(TABULAR)


def test_a_project_with_a_sample_names_the_command_that_creates_the_request(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "test")
    (tmp_path / "sample_model").mkdir()
    assert "Run test/run_local.sh to create it, or pass --request FILE." in check(tmp_path, "http://127.0.0.1:1").stderr


def test_help_describes_the_usage_and_the_last_line() -> None:
    done = check(FOLDER.parent, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: test/check_contract.py [--request FILE] URL\n")
    assert "N passed, N failed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "one of the arguments URL --image is required"),
        (["http://127.0.0.1:1", "--image", "x"], "not allowed with argument"),
        (["http://127.0.0.1:1", "http://127.0.0.1:2"], "unrecognized arguments"),
        (["127.0.0.1:8080"], "127.0.0.1:8080 is not a URL such as http://127.0.0.1:8080"),
        (["http://127.0.0.1:port"], "is not a URL such as"),
        (
            ["http://127.0.0.1:1", "--request", "/nowhere.json"],
            "/nowhere.json cannot be read (No such file or directory). Create one",
        ),
        (["http://127.0.0.1:1", "--request", CONFIG], "is not a request"),
        (["--image", "x"], "Check that Docker is running and that the image is built: docker build --tag x '/"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_to_do(project: Path, arguments: list[str], message: str) -> None:
    done = check(project, *arguments, DOCKER_HOST="tcp://127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_reader_that_exits_causes_no_traceback(project: Path, good: str) -> None:
    command = f'"{sys.executable}" "{project}/test/check_contract.py" {good} | head -n 1'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("pass  /ping returns 200 in under 2 s\n", "")


def test_the_servers_of_this_project_keep_the_contract(server: Server) -> None:
    sample = server.folder / "test/sample_request.json"
    done = check(FOLDER.parent, f"http://127.0.0.1:{server.port}", "--request", sample)
    failures = [line for line in done.stdout.splitlines() if not line.startswith("pass")]
    assert failures == [f"{len(RULES)} passed, 0 failed"]


def test_mypy_passes(tmp_path: Path) -> None:
    mypy = [sys.executable, "-m", "mypy", "--config-file", CONFIG, "--cache-dir", tmp_path]
    for file in (CHECK, CONTRACT_SERVER):
        done = subprocess.run([*mypy, file], cwd=file.parent, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
