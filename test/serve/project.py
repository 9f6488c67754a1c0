"""Assembles a generated project from the templates, and runs its code/serve."""

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

TEMPLATES = Path(__file__).parents[2] / "templates"
VARIANTS = ("fastapi", "flask", "flask-nginx")
SKLEARN_HANDLER = TEMPLATES / "frameworks/sklearn/code/model_handler.py"
CODE = {"features", "helpers", "inference", "model_handler", "other", "train"}  # the modules that tests write
TIMEOUT = 30.0
STARTING = 120.0  # seconds; importing TensorFlow takes long while all CPUs are busy


def forget_code() -> None:
    """Make modules that tests wrote into code/ be imported again."""
    for name in CODE & {*sys.modules}:
        del sys.modules[name]


@dataclass(frozen=True)
class Reply:
    """A server's response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


# The handler for a sample's model, by file extension.
HANDLERS = {
    ".json": "custom/code/model_handler.py",
    ".joblib": "sklearn/code/model_handler.py",
    ".pkl": "sklearn/code/model_handler.py",
    ".skops": "sklearn/code/model_handler.skops.py",
}


def assemble(folder: Path, variant: str, sample: Path, multi_model: bool = False) -> Path:
    """Lay out a project as the generator does, with the model and the requests of `sample`."""
    handler = HANDLERS[next((sample / "model").glob("model.*")).suffix]
    for source in ("container", f"servers/{variant.partition('-')[0]}", *(["multi-model"] if multi_model else [])):
        shutil.copytree(TEMPLATES / source / "code", folder / "code", dirs_exist_ok=True)
    shutil.copy(TEMPLATES / "frameworks" / handler, folder / "code/model_handler.py")
    for part in ("model", "test"):
        shutil.copytree(sample / part, folder / part)
    return folder


def write_sample(folder: Path, model_format: str) -> Path:
    """Write the project's sample_model/train.py, with its one value filled in as by the generator.

    The model is scikit-learn's; in json, the linear one of `custom`, which starts in a fifth of the time.
    """
    framework = "custom" if model_format == "json" else "sklearn"
    template = (TEMPLATES / f"frameworks/{framework}/sample_model/train.py.ejs").read_text()
    train = folder / "sample_model/train.py"
    train.parent.mkdir(parents=True)
    shutil.copy(TEMPLATES / "sample/sample_model/sample.py", train.parent)
    train.write_text(template.replace("<%= project.format.name %>", f'"{model_format}"'))
    return train


PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def lock_nothing(folder: Path, *parts: str, image: str = PYTHON) -> None:
    """Create lock.sh, a lock without packages, and virtual environments in `parts` that have it installed.

    The environments run this interpreter, whatever Python version `image` is.
    """
    shutil.copy(TEMPLATES / "project/lock.sh", folder)
    python = f"{image}\n"
    (folder / ".python-version").write_text(python)
    for part in parts:
        body = requirements = "# nothing to install\n"
        (folder / part / "requirements.in").write_text(requirements)
        check = hashlib.sha256(f"{requirements}{python}{body}".encode()).hexdigest()[:16]
        (folder / part / "requirements.txt").write_text(f"# Check: {check}\n{body}")
        environment = folder / part / ".venv"
        (environment / "bin").mkdir(parents=True, exist_ok=True)
        (environment / "bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (environment / "bin/python").chmod(0o755)
        (environment / "installed.txt").write_text(f"{PYTHON}\n# Check: {check}\n{body}")


def wait_for(condition: Callable[[], Any], what: str, seconds: float = TIMEOUT) -> Any:
    """Wait until `condition` returns a true value, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds} seconds for {what}")


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def list_children(pid: int) -> list[int]:
    """The running child processes of `pid`."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                children.append(int(stat.parent.name))
    return children


def list_descendants(pid: int) -> list[int]:
    children = list_children(pid)
    return children + [grandchild for child in children for grandchild in list_descendants(child)]


class Server:
    """Runs code/serve as a process: `with Server(...) as server`, which kills it and cleans up after it."""

    def __init__(self, folder: Path, variant: str, **environ: str) -> None:
        self.folder = folder
        self.variant = variant
        self.port = find_free_port()
        self.scratch = tempfile.TemporaryDirectory()
        os.chmod(self.scratch.name, 0o755)  # nginx's workers run as another user
        self.environ = {
            "SM_MODEL_DIR": str(folder / "model"),
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
            "TMPDIR": self.scratch.name,
            **environ,
        }

    def __enter__(self) -> "Server":
        keep = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
        if self.variant == "flask":
            keep["PATH"] = "/nonexistent"  # a PATH without nginx
        self.log_file = self.folder / "server.log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, self.folder / "code/serve"],
                env={**keep, **self.environ},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.scratch.cleanup()

    def wait_until_ready(self) -> "Server":
        def ready() -> bool:
            assert self.process.poll() is None, self.log()
            with contextlib.suppress(OSError):
                return self.request("GET", "/ping").status == 200
            return False

        wait_for(ready, "a good ping", STARTING)
        return self

    def request(self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, **headers: str) -> Reply:
        """Send a request. Header names have underscores instead of hyphens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def invoke(self, body: object, content_type: str = "application/json", **headers: str) -> Reply:
        """POST /invocations. A body that is not bytes is sent as JSON."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", "/invocations", sent, Content_Type=content_type, **headers)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self.process.wait(TIMEOUT)

    def log(self) -> str:
        return self.log_file.read_text()

    def last_line(self) -> str:
        return str(json.loads(self.log().splitlines()[-1])["message"])


class ManyServer(Server):
    """A server for many models, with the requests that SageMaker sends."""

    def __init__(self, folder: Path, variant: str, **environ: str) -> None:
        super().__init__(folder, variant, SAGEMAKER_MULTI_MODEL="true", **environ)

    def load_from(self, model: Path, name: str) -> Reply:
        order = {"model_name": name, "url": str(model)}
        return self.request("POST", "/models", json.dumps(order).encode(), Content_Type="application/json")

    def unload(self, name: str) -> Reply:
        return self.request("DELETE", f"/models/{name}")

    def ask(self, name: str, body: object, **headers: str) -> Reply:
        """Invoke a model. A body that is not bytes is sent as JSON."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", f"/models/{name}/invoke", sent, Content_Type="application/json", **headers)

    def list_models(self, query: str = "") -> Any:
        return self.request("GET", f"/models{query}").json()


def read_metrics(server: Server) -> dict[str, float]:
    """The values of GET /metrics, by name and labels as they are in the text."""
    reply = server.request("GET", "/metrics")
    assert reply.status == 200, reply.body
    found: dict[str, float] = {}
    for metric in text_string_to_metric_families(reply.body.decode()):
        for name, labels, value, *_ in metric.samples:
            shown = ",".join(f"{label}={json.dumps(text, ensure_ascii=False)}" for label, text in labels.items())
            found[f"{name}{{{shown}}}" if shown else name] = value
    return found
