"""SageMaker's side of a training job: paths, metrics, checkpoints, stopping and failing.

train.py calls run(). Source: SageMaker's developer guide, "Use your own training algorithms" and "Use checkpoints".

SAGEMAKER_BASE_DIR   (environment) the folder to use instead of /opt/ml, outside SageMaker
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

STOPPED = 128 + signal.SIGTERM  # the exit status of a job ended by SIGTERM
ROOT = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
# The metric of each task; smaller is better.
METRICS = {"regression": "rmse", "classification": "logloss"}
CHECKPOINT_SECONDS = 60
MAX_REASON_LENGTH = 1024  # SageMaker cuts off the rest


@dataclass
class Job:
    """A training job, passed to train()."""

    train: Data
    validation: Data | None
    model_dir: Path  # train() writes here; the files are published when it ends
    task: str
    checkpoints: Path | None  # SageMaker syncs it to S3, and back when a job resumes
    key: str  # prefix of checkpoint names; depends on the hyperparameters
    stopping: bool = False  # set on SIGTERM: train() must stop early and save the model that it has
    metrics: dict[str, float] = field(default_factory=dict)
    last_checkpoint: float = field(default_factory=time.monotonic)

    def stop(self, *_: object) -> None:
        """Handle SIGTERM, which comes 120 s before SIGKILL."""
        log("SIGTERM: stopping early, then saving the current model")
        self.stopping = True

    def report(self, epoch: int, train: float, validation: float | None = None) -> None:
        """Print the metrics, which SageMaker reads from the log. Raise InputError if they are no longer finite."""
        found = {"train": train, "validation": validation}
        name = METRICS[self.task]
        self.metrics = {f"{channel}:{name}": float(value) for channel, value in found.items() if value is not None}
        log(" ".join(f"{metric}={value:.6g}" for metric, value in self.metrics.items()), f"epoch={epoch}")
        if not all(map(math.isfinite, self.metrics.values())):
            raise InputError(f"The training diverged in epoch {epoch}. Is the learning rate too large?")

    def checkpoint_due(self) -> bool:
        """Whether the job is stopping, or keeps checkpoints and wrote none for CHECKPOINT_SECONDS."""
        due = time.monotonic() - self.last_checkpoint >= CHECKPOINT_SECONDS
        return self.stopping or (due and self.checkpoints is not None)

    def checkpoint(self, epoch: int, ending: str, write: Callable[[Path], object]) -> None:
        """Have `write` save a checkpoint, once per CHECKPOINT_SECONDS and before the job stops."""
        if self.checkpoints is None or not self.checkpoint_due():
            return
        target = self.checkpoints / f"{self.key}-{epoch:06}{ending}"
        partial = target.with_name(f".{target.name}")
        write(partial)
        partial.replace(target)
        for other in self.checkpoints.glob(f"{self.key}-*"):
            if other != target:
                other.unlink()
        self.last_checkpoint = time.monotonic()
        log(f"Checkpoint {target.name}")

    def resume(self) -> tuple[int, Path | None]:
        """Return the number of completed epochs, and their checkpoint."""
        found = sorted(self.checkpoints.glob(f"{self.key}-*")) if self.checkpoints else []
        if not found:
            return 0, None
        epoch = int(found[-1].name[len(self.key) + 1 :].partition(".")[0])
        log(f"Resuming after epoch {epoch} from checkpoint {found[-1].name}")
        return epoch, found[-1]


def measure(task: str, y: NDArray[Any], outputs: NDArray[Any]) -> float:
    """Return the metric of a task. Outputs are predictions (records,) or probabilities (records, classes)."""
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
    """Run a job and exit: status 0 with a model, or another status with the reason in output/failure.

    about          framework, version and format, for metadata.json
    takes_missing  whether features can have missing values
    can_stop       whether train() checks job.stopping; if not, SIGTERM ends the job immediately, without a model
    """
    signal.signal(signal.SIGTERM, exit_immediately)
    model_dir = ROOT / "model/.unfinished"  # removed however the job ends
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


def exit_immediately(*_: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log("SIGTERM: exiting immediately. A partially fitted model cannot be saved, so no model is written.")
    sys.exit(STOPPED)


def fail(reason: str) -> NoReturn:
    """End the job with a reason, which SageMaker shows as FailureReason."""
    line = textwrap.shorten(reason, MAX_REASON_LENGTH, placeholder=" …")
    log(f"ERROR: {line}")
    try:
        (ROOT / "output").mkdir(exist_ok=True)
        (ROOT / "output/failure").write_text(line)
    except OSError as error:
        log(f"The reason could not be written to output/failure: {error}")
    sys.exit(1)


# --- inputs ----------------------------------------------------------------------------------------------------------
def read_config(*names: str) -> dict[str, Any]:
    """Return the content of the first input/config/NAME.json that exists; empty if none does."""
    for name in names:
        path = ROOT / f"input/config/{name}.json"
        if path.exists():
            content: dict[str, Any] = json.loads(path.read_text())
            return content
    return {}


def open_job(given: Any, model_dir: Path, takes_missing: bool) -> Job:
    hosts = read_config("resourceconfig", "resourceConfig").get("hosts", [])
    if len(hosts) > 1:
        raise InputError(f"Training runs on one instance, but the job has {len(hosts)}: set its instance count to 1.")
    channels = read_config("inputdataconfig")
    if "train" not in channels:
        raise InputError(f"The job has no channel named train. Its channels: {', '.join(channels) or 'none'}.")
    train = open_channel("train", channels["train"], takes_missing)
    validation = open_channel("validation", channels["validation"], takes_missing) if "validation" in channels else None
    if validation and validation.x.shape[1] != train.x.shape[1]:
        features = f"{validation.x.shape[1]} features, but channel train has {train.x.shape[1]}"
        raise InputError(f"Channel validation has {features}.")
    folder = ROOT / "checkpoints"
    key = hashlib.sha256(json.dumps(asdict(given)).encode()).hexdigest()[:8]
    task = getattr(given, "task", "regression")
    return Job(train, validation, model_dir, task, folder if folder.is_dir() else None, key)


def open_channel(name: str, settings: Mapping[str, str], takes_missing: bool) -> Data:
    kind = settings.get("ContentType") or "text/csv"
    if "csv" not in kind:
        raise InputError(f"Channel {name} has content type {kind}, but must be text/csv.")
    if settings.get("TrainingInputMode") == "Pipe":
        raise InputError(f"Channel {name} has input mode Pipe: use File or FastFile.")
    data = read_channel(ROOT / "input/data" / name, takes_missing)
    log(f"Channel {name}: {data.x.shape[0]} records, {data.x.shape[1]} features")
    return data


# --- the model -------------------------------------------------------------------------------------------------------
def make_model_dir(model_dir: Path) -> None:
    """Create the folder before training, so that an unwritable model folder is reported immediately."""
    shutil.rmtree(model_dir, ignore_errors=True)
    try:
        model_dir.parent.mkdir(exist_ok=True)
        model_dir.mkdir()
    except OSError as error:
        raise InputError(f"The model cannot be written to {model_dir.parent}: {error.strerror}.") from None


def publish(job: Job, about: dict[str, Any]) -> None:
    """Move the files to the model folder, metadata.json last."""
    content = {**about, "task": job.task, "features": job.train.x.shape[1], "metrics": job.metrics}
    made = sorted(job.model_dir.iterdir())
    metadata = job.model_dir / "metadata.json"
    metadata.write_text(f"{json.dumps(content, indent=2)}\n")
    for path in [*made, metadata]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        path.rename(ROOT / "model" / path.name)
    log(f"Wrote {', '.join(path.name for path in made)} and metadata.json to {ROOT / 'model'}")
