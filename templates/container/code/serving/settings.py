"""The settings of the server, from environment variables and from the CPUs that this container may use."""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from serving import content
from serving.errors import StartError

CGROUP = Path("/sys/fs/cgroup")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_BODY = 25 * 2**20
MATH_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)


@dataclass(frozen=True)
class Settings:
    """Everything the server is told from outside."""

    model_dir: Path
    port: int
    log_level: str
    cpus: int  # that this container may use
    workers: int  # processes that serve, each with the model
    threads: int  # predictions at a time in each worker
    waiting: int  # requests in each worker that may wait for their turn; those beyond get 503
    max_body: int  # bytes (SageMaker: at most 25 MB a request)
    default_accept: str  # the answer's media type when the client names none


def read(environ: Mapping[str, str], cgroup: Path = CGROUP) -> Settings:
    """Reads the settings. Raises StartError, with the variable's name, for a value that cannot be used."""
    cpus = count_cpus(cgroup)
    return Settings(
        model_dir=Path(environ.get("SM_MODEL_DIR") or "/opt/ml/model"),
        port=read_number(environ, "SAGEMAKER_BIND_TO_PORT", 8080, most=65535),
        log_level=read_choice(environ, "SM_LOG_LEVEL", "INFO", LOG_LEVELS),
        cpus=cpus,
        workers=read_number(environ, "SM_WORKERS", cpus),
        threads=read_number(environ, "SM_THREADS", 1),
        waiting=64,
        max_body=MAX_BODY,
        default_accept=read_choice(
            environ, "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", content.JSON, tuple(content.ENCODERS)
        ),
    )


def read_number(environ: Mapping[str, str], name: str, default: int, most: int = 1024) -> int:
    """A whole number from 1 to `most`."""
    text = environ.get(name) or str(default)
    if not text.isdecimal() or len(text) > len(str(most)) or not 1 <= int(text) <= most:
        raise StartError(f"{name} is {text[:40]!r}: set it to a whole number from 1 to {most}, or unset it.")
    return int(text)


def read_choice(environ: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of `choices`, in whatever case it was written."""
    text = environ.get(name) or default
    for choice in choices:
        if choice.lower() == text.strip().lower():
            return choice
    raise StartError(f"{name} is {text!r}: set it to one of {', '.join(choices)}, or unset it.")


def limit_math_threads(settings: Settings, environ: MutableMapping[str, str]) -> None:
    """Shares the CPUs out, so that workers x threads x math threads fits them. Call it before NumPy is imported.

    Left alone, OpenMP and BLAS start a thread for every CPU of the machine in every worker, which is many times
    slower. A variable that is set already stays.
    """
    share = max(1, settings.cpus // (settings.workers * settings.threads))
    for name in MATH_THREADS:
        environ.setdefault(name, str(share))


def count_cpus(cgroup: Path = CGROUP) -> int:
    """The CPUs this process may use: its affinity, capped by the container's quota, and at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(affinity, read_quota(cgroup))))


def read_quota(cgroup: Path) -> float:
    """The CPU quota of the cgroup in CPUs; infinity if there is none."""
    for read_version in (read_quota_v2, read_quota_v1):
        try:
            quota, period = read_version(cgroup)
            return quota / period if quota > 0 and period > 0 else float("inf")
        except (OSError, ValueError):
            continue  # another version of cgroups, or no quota
    return float("inf")


def read_quota_v2(cgroup: Path) -> tuple[int, int]:
    """From cpu.max: "150000 100000", in microseconds; "max 100000" is no quota (ValueError)."""
    quota, period = (cgroup / "cpu.max").read_text().split()
    return int(quota), int(period)


def read_quota_v1(cgroup: Path) -> tuple[int, int]:
    """From cpu.cfs_quota_us and cpu.cfs_period_us; a quota of -1 is none."""
    folder = cgroup / "cpu"
    return int((folder / "cpu.cfs_quota_us").read_text()), int((folder / "cpu.cfs_period_us").read_text())
