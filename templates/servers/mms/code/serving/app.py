"""The web server: AWS's Multi Model Server (MMS), a Java program. It starts a process per model, in which
handler_service answers requests with your handler.

AWS's SageMaker Inference Toolkit starts MMS. The toolkit's environment variables override its settings.
"""

import fcntl
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from subprocess import CalledProcessError
from types import ModuleType

import psutil
from retrying import retry

from serving.errors import StartError
from serving.handler_service import BUSY
from serving.models import Model
from serving.processes import Child, Supervisor, open_port
from serving.settings import Settings

PROGRAM = Path(__file__).parents[1]
MAX_PORT = 32767  # of MMS
MAX_WAIT = 15  # seconds for running requests after SIGTERM; MMS itself needs 4 of the 30 until SIGKILL


def find_file(package: str, name: str) -> str:
    """Find a file of an installed package, as pkg_resources.resource_filename does."""
    spec = find_spec(package)
    assert spec and spec.origin
    return str(Path(spec.origin).parent) + name


# The toolkit finds its own files with pkg_resources, which setuptools 82 removed.
sys.modules["pkg_resources"] = ModuleType("pkg_resources")
sys.modules["pkg_resources"].resource_filename = find_file  # type: ignore[attr-defined]
from sagemaker_inference import environment, model_server  # noqa: E402

del sys.modules["pkg_resources"]


def run(settings: Settings, load: Callable[[], Model] | None = None) -> int:
    """Serve until SIGTERM. Return the exit status. `load` is not used: an MMS process loads the model itself.

    Raises StartError if there is no Java, or the port is taken.
    """
    java_home = os.environ.get("JAVA_HOME")
    if not shutil.which(f"{java_home}/bin/java" if java_home else "java"):
        raise StartError(
            "Multi Model Server needs Java, which is not installed. Install a Java runtime (Debian: "
            "default-jre-headless, Homebrew: openjdk), or run the image: docker run IMAGE serve."
        )
    if settings.port > MAX_PORT:
        raise StartError(
            f"Multi Model Server needs a port up to {MAX_PORT}. Set SAGEMAKER_BIND_TO_PORT to a lower one."
        )
    open_port(settings.port, backlog=1).close()  # a clear error now
    logging.info("Starting Multi Model Server on port %d: CPUs %d.", settings.port, settings.cpus)
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        Path(folder, BUSY).touch()
        first = Child("requests", lambda: wait_until_idle(Path(folder, BUSY)))
        server = Child("Multi Model Server", lambda: start(settings, folder), restart=False)
        try:
            return Supervisor([[first], [server]]).run()
        finally:
            end_processes(folder)


def start(settings: Settings, folder: str) -> None:
    """Run MMS, with its files in `folder`, until it ends."""
    defaults = {
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",  # processes per model
        "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "60",  # to answer, and to load a model
        "SAGEMAKER_STARTUP_TIMEOUT": "60",
        "SAGEMAKER_MODEL_SERVER_VMARGS": "-XX:+ExitOnOutOfMemoryError",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(settings.max_body // 2**20),
        "MMS_MAX_RESPONSE_SIZE": str(settings.max_body + 2**20),
    }
    os.environ.update({name: value for name, value in defaults.items() if not os.environ.get(name)})
    os.environ.update(PYTHONPATH=str(PROGRAM), TEMP=folder, TMPDIR=folder)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    logging.getLogger("sagemaker-inference").setLevel(logging.CRITICAL)  # it logs errors that are harmless
    model_server.MMS_CONFIG_FILE = f"{folder}/mms.properties"
    model_server.DEFAULT_MMS_LOG_FILE = str(PROGRAM / "log4j2.xml")
    environment.model_dir = str(settings.model_dir.resolve())
    start_model_server()


@retry(  # type: ignore[untyped-decorator]
    retry_on_exception=lambda error: isinstance(error, (CalledProcessError, OSError)),
    wait_fixed=1000,
    stop_max_delay=50_000,
)
def start_model_server() -> None:
    """Call the toolkit's function; retry if the process cannot be started, as AWS's guide recommends."""
    model_server.start_model_server("serving.handler_service:handle")


def wait_until_idle(busy: Path) -> None:
    """Wait for SIGTERM, then until no requests are running: MMS drops running requests when it is stopped."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    signal.sigwait([signal.SIGTERM])
    signal.alarm(MAX_WAIT)  # ends this process
    idle = 0
    with busy.open() as file:
        while idle < 5:  # several times in a row, because MMS may have requests queued
            time.sleep(0.1)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(file, fcntl.LOCK_UN)
                idle += 1
            except BlockingIOError:
                idle = 0


def end_processes(folder: str) -> None:
    """Terminate the processes that MMS leaves behind. In a container they would end with PID 1."""
    for process in psutil.process_iter(["cmdline"]):
        if folder in (process.info["cmdline"] or []):
            process.terminate()
