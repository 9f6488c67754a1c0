"""vLLM on CPUs, started by code/serve of a generated project with a tiny model (test/support/frameworks.ts):

pytest test/vllm --project=FOLDER
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_model import write_adapter, write_model

START_TIMEOUT = 300  # seconds, mostly for imports


class Engine:
    """The engine, started by code/serve of a project."""

    def __init__(self, project: Path, model: Path, log: Path) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SM_MODEL_DIR": str(model)}
        env |= {"SAGEMAKER_BIND_TO_PORT": str(self.port), "OPTION_TENSOR_PARALLEL_SIZE": "1", "OPTION_DTYPE": "float32"}
        env |= {"VLLM_CPU_KVCACHE_SPACE": "1", "OPTION_API_KEY": "false", "SM_VLLM_MAX_NUM_SEQS": "8"}
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen([project / "code/serve"], env=env, stdout=output, stderr=output)

    def wait_until_ready(self) -> "Engine":
        deadline = time.monotonic() + START_TIMEOUT
        while self.ping() != 200:
            ended = self.process.poll() is not None
            assert not ended and time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.5)
        return self

    def ping(self) -> int:
        """Return the status of /ping; 0 if there is no response."""
        try:
            return int(urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=2).status)
        except OSError:
            return 0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--project", required=True, type=Path)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model(folder)
    write_adapter(folder / "adapters/loud")
    return folder


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    log = tmp_path_factory.mktemp("log") / "engine"
    running = Engine(pytestconfig.getoption("project"), model, log)
    try:
        yield running.wait_until_ready()
    finally:
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
