"""SageMaker's side of a training job: where everything lies, metrics, checkpoints, and how it ends.

train.py calls run(). Source: SageMaker's developer guide, "Use your own training algorithms" and "Use checkpoints".

SAGEMAKER_BASE_DIR   (environment) a folder in the place of /opt/ml, on other machines
"""

import hashlib
import json
import math
import os
import shutil
import signal
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from inputs import Data, InputError, parse, read_channel
from numpy.typing import NDArray

STOPPED = 128 + signal.SIGTERM  # the status of a job that SIGTERM has ended
ROOT = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
# What is measured for each task; smaller is better.
METRICS = {"regression": "rmse", "classification": "logloss"}
CHECKPOINT_SECONDS = 60
REASON_LENGTH = 1024  # so much of the failure SageMaker shows


@dataclass
class Job:
    """What train() gets, and what it tells."""

    train: Data
    validation: Data | None
    model_dir: Path  # what train() writes here becomes the model, all at once
    task: str
    checkpoints: Path | None  # SageMaker keeps it in S3, and gives it back to a job that goes on
    key: str  # begins the names of checkpoints: it is another for other hyperparameters
    stopping: bool = False  # train() has to come to its end
    metrics: dict[str, float] = field(default_factory=dict)
    saved: float = field(default_factory=time.monotonic)

    def stop(self, *_: object) -> None:
        """Is told of SIGTERM, 120 s before SIGKILL."""
        log("SIGTERM: finishing this round, then saving the model as it is")
        self.stopping = True

    def report(self, epoch: int, train: float, validation: float | None = None) -> None:
        """Prints the metrics for SageMaker to read. Raises InputError where they are not finite any more."""
        found = {"train": train, "validation": validation}
        name = METRICS[self.task]
        self.metrics = {f"{channel}:{name}": float(value) for channel, value in found.items() if value is not None}
        log(" ".join(f"{metric}={value:.6g}" for metric, value in self.metrics.items()), f"epoch={epoch}")
        if not all(map(math.isfinite, self.metrics.values())):
            raise InputError(f"The training diverged in epoch {epoch}. Is the learning rate too large?")

    def checkpoint_due(self) -> bool:
        """Whether the job is stopping, or keeps checkpoints and has made none for CHECKPOINT_SECONDS."""
        late = time.monotonic() - self.saved >= CHECKPOINT_SECONDS
        return self.stopping or (late and self.checkpoints is not None)

    def checkpoint(self, epoch: int, ending: str, write: Callable[[Path], object]) -> None:
        """Keeps what `write` writes to a file, once in CHECKPOINT_SECONDS and before the job stops."""
        if self.checkpoints is None or not self.checkpoint_due():
            return
        target = self.checkpoints / f"{self.key}-{epoch:06}{ending}"
        partial = target.with_name(f".{target.name}")
        write(partial)
        partial.replace(target)
        for other in self.checkpoints.glob(f"{self.key}-*"):
            if other != target:
                other.unlink()
        self.saved = time.monotonic()
        log(f"Checkpoint {target.name}")

    def resume(self) -> tuple[int, Path | None]:
        """The epochs that are done already, and their checkpoint."""
        found = sorted(self.checkpoints.glob(f"{self.key}-*")) if self.checkpoints else []
        if not found:
            return 0, None
        epoch = int(found[-1].name[len(self.key) + 1 :].partition(".")[0])
        log(f"Going on after epoch {epoch}, from checkpoint {found[-1].name}")
        return epoch, found[-1]


def measure(task: str, y: NDArray[Any], outputs: NDArray[Any]) -> float:
    """The metric of a task: outputs are predictions (records,), or probabilities (records, classes)."""
    if task == "regression":
        return float(np.sqrt(np.mean(np.square(y - outputs))))
    return float(-np.mean(np.log(np.clip(outputs[np.arange(len(y)), y.astype(int)], 1e-15, 1))))


def run(
    train: Callable[[Job, Any], None],
    hyperparameters: type[Any],
    about: Mapping[str, str],
    *,
    takes_missing: bool = False,
    can_stop: bool = True,
) -> NoReturn:
    """Runs a job to its end: status 0 with a model, or another with the reason in output/failure.

    about          framework, version and format, for metadata.json
    takes_missing  records may have missing values
    can_stop       train() looks at job.stopping; if not, SIGTERM ends the job at once, without a model
    """
    signal.signal(signal.SIGTERM, end_at_once)
    model_dir = ROOT / "model/.unfinished"  # its name is known before it is made: whatever ends the job, it goes
    try:
        given: Any = parse(read_config("hyperparameters"), hyperparameters)
        log(f"Hyperparameters: {json.dumps(asdict(given))}")
        make_model_dir(model_dir)
        job = open_job(given, model_dir, takes_missing)
        if can_stop:
            signal.signal(signal.SIGTERM, job.stop)
        try:
            train(job, given)
        except SystemExit as ended:
            if ended.code == STOPPED:
                raise
            fail(f"train() ended the process: {ended.code}")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        publish(job, {**about, "hyperparameters": asdict(given)})
    except InputError as error:
        fail(str(error))
    except Exception as error:
        traceback.print_exc()
        fail(f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(model_dir, ignore_errors=True)
    sys.exit(0)


def log(*words: str) -> None:
    print(*words, flush=True)


def end_at_once(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log("SIGTERM: ending at once. What was fitted until now cannot be saved; there is no model.")
    sys.exit(STOPPED)


def fail(reason: str) -> NoReturn:
    """Ends the job with a reason, which SageMaker shows as FailureReason."""
    line = textwrap.shorten(reason, REASON_LENGTH, placeholder=" …")
    log(f"ERROR: {line}")
    try:
        (ROOT / "output").mkdir(exist_ok=True)
        (ROOT / "output/failure").write_text(line)
    except OSError as error:
        log(f"The reason cannot be written down: {error}")
    sys.exit(1)


# --- what the job is given -------------------------------------------------------------------------------------------
def read_config(*names: str) -> dict[str, Any]:
    """The first of the files input/config/NAME.json that is there; empty if none is."""
    for name in names:
        path = ROOT / f"input/config/{name}.json"
        if path.exists():
            content: dict[str, Any] = json.loads(path.read_text())
            return content
    return {}


def open_job(given: Any, model_dir: Path, takes_missing: bool) -> Job:
    hosts = read_config("resourceconfig", "resourceConfig").get("hosts", [])
    if len(hosts) > 1:
        raise InputError(f"This trains on one machine, and the job has {len(hosts)}: set its instance count to 1.")
    channels = read_config("inputdataconfig")
    if "train" not in channels:
        raise InputError(f"There is no channel train. The job has {', '.join(channels) or 'no channels'}.")
    train = open_channel("train", channels["train"], takes_missing)
    validation = open_channel("validation", channels["validation"], takes_missing) if "validation" in channels else None
    if validation and validation.x.shape[1] != train.x.shape[1]:
        features = f"{validation.x.shape[1]} features, and channel train has {train.x.shape[1]}"
        raise InputError(f"Channel validation has {features}.")
    folder = ROOT / "checkpoints"
    key = hashlib.sha256(json.dumps(asdict(given)).encode()).hexdigest()[:8]
    task = getattr(given, "task", "regression")
    return Job(train, validation, model_dir, task, folder if folder.is_dir() else None, key)


def open_channel(name: str, settings: Mapping[str, str], takes_missing: bool) -> Data:
    kind = settings.get("ContentType") or "text/csv"
    if "csv" not in kind:
        raise InputError(f"Channel {name} has content type {kind}, and this reads text/csv.")
    if settings.get("TrainingInputMode") == "Pipe":
        raise InputError(f"Channel {name} is a pipe: choose the input mode File or FastFile.")
    data = read_channel(ROOT / "input/data" / name, takes_missing)
    log(f"Channel {name}: {data.x.shape[0]} records, {data.x.shape[1]} features")
    return data


# --- what it leaves --------------------------------------------------------------------------------------------------
def make_model_dir(model_dir: Path) -> None:
    """Before the training, and beside the model's place: whether that can be written to shows now."""
    shutil.rmtree(model_dir, ignore_errors=True)
    try:
        model_dir.parent.mkdir(exist_ok=True)
        model_dir.mkdir()
    except OSError as error:
        raise InputError(f"The model cannot be written to {model_dir.parent}: {error.strerror}.") from None


def publish(job: Job, about: dict[str, Any]) -> None:
    """Moves the model to its place, metadata.json last."""
    content = {**about, "task": job.task, "features": job.train.x.shape[1], "metrics": job.metrics}
    made = sorted(job.model_dir.iterdir())
    metadata = job.model_dir / "metadata.json"
    metadata.write_text(f"{json.dumps(content, indent=2)}\n")
    for path in [*made, metadata]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        path.rename(ROOT / "model" / path.name)
    log(f"Wrote {', '.join(path.name for path in made)} and metadata.json to {ROOT / 'model'}")
