"""The server's settings, from environment variables and the CPU and memory limits of the container."""

import logging
import os
import resource
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path

from serving import media_types
from serving.errors import StartError

CGROUP = Path("/sys/fs/cgroup")
MEMORY_FRACTION = 0.9  # of the memory limit; the rest is for the system
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_BODY_MB = 25  # SageMaker's limit per request; asynchronous inference has 1 GB, read from S3
MAX_BATCH_BODY_MB = 100  # batch transform
MATH_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@dataclass(frozen=True)
class Settings:
    """Everything that is configured from outside."""

    model_dir: Path
    multi_model: bool  # SageMaker loads and unloads models through /models
    port: int
    log_level: str
    cpus: int  # available to this container
    workers: int  # processes that serve the model
    threads: int  # concurrent predictions in each worker
    batch_rows: int  # records per batch of several requests; 1 turns batching off
    max_waiting: int  # requests queued in each worker; further ones get 503
    max_body: int  # bytes; larger request bodies get 413
    response_types: tuple[str, ...]  # media types of responses; the first is the default
    docs: bool  # whether to serve GET /docs


def read(environ: Mapping[str, str], cgroup: Path = CGROUP) -> Settings:
    """Read the settings. Raises StartError, which names the variable, for an invalid value."""
    cpus = count_cpus(cgroup)
    return Settings(
        model_dir=Path(environ.get("SM_MODEL_DIR") or "/opt/ml/model"),
        multi_model=read_multi_model(environ),
        port=read_number(environ, "SAGEMAKER_BIND_TO_PORT", 8080, maximum=65535),
        log_level=read_choice(environ, "SM_LOG_LEVEL", "INFO", LOG_LEVELS),
        cpus=cpus,
        workers=read_number(environ, "SM_WORKERS", cpus),
        threads=read_number(environ, "SM_THREADS", 1),
        batch_rows=read_number(environ, "SM_BATCH_ROWS", 256, maximum=2**20),
        max_waiting=128,
        max_body=read_max_body(environ),
        response_types=read_response_types(environ),
        docs=read_choice(environ, "SM_DOCS", "0", ("0", "1")) == "1",
    )


def read_max_body(environ: Mapping[str, str]) -> int:
    """Return the maximum size of a request body in bytes."""
    default = MAX_BATCH_BODY_MB if environ.get("SAGEMAKER_BATCH", "").lower() == "true" else MAX_BODY_MB
    return read_number(environ, "SM_MAX_BODY_MB", default, maximum=1000) * 2**20


def read_multi_model(environ: Mapping[str, str]) -> bool:
    """Return whether to serve many models. Raises StartError if this container was generated for one."""
    name = "SAGEMAKER_MULTI_MODEL"
    enabled = read_choice(environ, name, "false", ("true", "false")) == "true"
    if enabled and not Path(__file__).with_name("multi.py").exists():
        raise StartError(
            f"{name} is true, but this container serves one model. In the project's folder, run ml-container-creator "
            "update --multi-model, then build and deploy the image again."
        )
    return enabled


def read_number(environ: Mapping[str, str], name: str, default: int, maximum: int = 1024) -> int:
    """Read a whole number from 1 to `maximum`."""
    text = environ.get(name) or str(default)
    if not text.isdecimal() or len(text) > len(str(maximum)) or not 1 <= int(text) <= maximum:
        raise StartError(f"{name} is {text[:40]!r}: set it to a whole number from 1 to {maximum}, or unset it.")
    return int(text)


def read_fraction(environ: Mapping[str, str], name: str, default: float) -> float:
    """Read a number from 0 to 1."""
    text = environ.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise StartError(f"{name} is {text[:40]!r}: set it to a number from 0 to 1, or unset it.")
    return number


def read_choice(environ: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """Read one of `choices`, ignoring case."""
    text = environ.get(name) or default
    for choice in choices:
        if choice.lower() == text.strip().lower():
            return choice
    raise StartError(f"{name} is {text!r}: set it to one of {', '.join(choices)}, or unset it.")


def read_response_types(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return all media types of responses, the default first."""
    name = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
    default = read_choice(environ, name, media_types.JSON, media_types.RESPONSE_TYPES)
    return default, *(media_type for media_type in media_types.RESPONSE_TYPES if media_type != default)


def limit_math_threads(settings: Settings, given: Mapping[str, str], environ: MutableMapping[str, str]) -> None:
    """Divide the CPUs so that workers x threads x math threads fits them. Call this before NumPy is imported.

    By default OpenMP and BLAS start one thread per CPU of the machine in every worker, which is many times slower.
    Variables set by the user (`given`) are not overridden.
    """
    share = max(1, settings.cpus // (settings.workers * settings.threads))
    environ.update({name: str(share) for name in MATH_THREADS if not given.get(name)})


def count_math_threads(environ: Mapping[str, str] = os.environ) -> int:
    """Return the number of threads per prediction, for libraries that do not read OMP_NUM_THREADS themselves."""
    return read_number(environ, "OMP_NUM_THREADS", 1)


def fit_handler(settings: Settings, given: Mapping[str, str], preload: bool, thread_safe: bool) -> Settings:
    """Adjust the settings to the handler's PRELOAD and THREAD_SAFE."""
    if not preload and not given.get("SM_WORKERS"):
        settings = replace(settings, workers=1)  # each worker would load its own copy; one prediction uses all CPUs
    if not thread_safe and settings.threads > 1:
        logging.warning("SM_THREADS is %d, but THREAD_SAFE is False: using one thread.", settings.threads)
        settings = replace(settings, threads=1)
    return settings


def limit_workers(settings: Settings, environ: Mapping[str, str], used: int, limit: float) -> Settings:
    """Reduce the workers to as many as fit in `limit` bytes of memory. Call this once the model is loaded.

    SM_WORKERS overrides this: set it if the workers share the model's memory, as with NumPy arrays.
    """
    copies = count_copies(used, limit)
    if settings.workers <= copies or environ.get("SM_WORKERS"):
        return settings
    logging.warning(
        "Workers reduced from %d to %d: the process with the model uses %d MB of the container's %d MB.",
        settings.workers,
        copies,
        used // 2**20,
        limit // 2**20,
    )
    return replace(settings, workers=copies)


def count_cpus(cgroup: Path = CGROUP) -> int:
    """Return the CPUs available to this process: its affinity, capped by the container's quota; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(affinity, read_first(cgroup, read_quota_v2, read_quota_v1))))


def count_copies(used: int, limit: float) -> int:
    """Return how many forked processes fit in `limit` bytes, if each ends up with its own copy of all `used` bytes.

    A forked process shares the model with its parent until either writes to it; updating a reference count is a write.
    """
    return max(1, int(min(MEMORY_FRACTION * limit / used - 1, 2**16)))


def read_memory_limit(cgroup: Path = CGROUP) -> float:
    """Return the memory limit in bytes: the machine's memory, capped by the cgroup."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(float(machine), read_first(cgroup, read_memory_v2, read_memory_v1))


def read_used_memory() -> int:
    """Return the resident memory of this process in bytes; its peak on systems without /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def read_first(folder: Path, *readers: Callable[[Path], float], default: float = float("inf")) -> float:
    """Return the result of the first reader that works on this system; `default` (no limit) if none does."""
    for reader in readers:
        try:
            return reader(folder)
        except (OSError, ValueError, KeyError, ZeroDivisionError):
            continue
    return default


def read_quota_v2(cgroup: Path) -> float:
    """Return CPUs from cpu.max: "150000 100000", in microseconds. "max 100000", no quota, raises ValueError."""
    quota, period = (cgroup / "cpu.max").read_text().split()
    return int(quota) / int(period)


def read_quota_v1(cgroup: Path) -> float:
    """Return CPUs from cpu.cfs_quota_us and cpu.cfs_period_us; -1 means no quota."""
    folder = cgroup / "cpu"
    quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    return quota / period if quota > 0 else float("inf")


def read_memory_v2(cgroup: Path) -> float:
    """Return bytes from memory.max. "max", no limit, raises ValueError."""
    return int((cgroup / "memory.max").read_text())


def read_memory_v1(cgroup: Path) -> float:
    """Return bytes from memory.limit_in_bytes; a huge number means no limit."""
    return int((cgroup / "memory" / "memory.limit_in_bytes").read_text())
