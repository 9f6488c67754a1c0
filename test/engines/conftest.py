"""The code of a project for an engine: templates/engines with vLLM's modules, and a server with the adapter."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TEMPLATES = HERE.parents[1] / "templates"


def lay_out(folder: Path, engine: str) -> Path:
    """Create a project's code/ folder, without options.json."""
    for source in ("engines", f"servers/{engine}"):
        shutil.copytree(TEMPLATES / source / "code", folder, dirs_exist_ok=True)
    return folder


CODE = lay_out(Path(tempfile.mkdtemp(prefix="engine-")), "vllm")
sys.path.insert(0, str(CODE))
atexit.register(shutil.rmtree, CODE, ignore_errors=True)


@pytest.fixture(scope="session")
def code() -> Path:
    return CODE


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def start(code: Path) -> Iterator[Callable[..., int]]:
    """Start a stand-in with environment variables and return its port."""
    running: list[subprocess.Popen[bytes]] = []

    def run(**variables: str) -> int:
        port = free_port()
        env = {**os.environ, "PYTHONPATH": f"{code}:{HERE}", **variables}
        options = ["--middleware=serving.adapter.Adapter", "--host=127.0.0.1", f"--port={port}"]
        command = [sys.executable, HERE / "vllm", "serve", "org/name", *options]
        running.append(subprocess.Popen(command, env=env))
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1)
                return port
            except OSError:
                assert time.monotonic() < deadline, "the stand-in did not start"
                time.sleep(0.1)

    yield run
    for process in running:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def port(start: Callable[..., int]) -> int:
    return start()
