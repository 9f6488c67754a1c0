"""The settings of the server, from environment variables and from the CPUs and memory that this container may use."""

import logging
import os
import resource
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path

from serving import media_types
from serving.errors import StartError

CGROUP = Path("/sys/fs/cgroup")
FULL = 0.9  # of the memory that may be used; the rest is for the system
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_BODY = 25 * 2**20
MAX_BATCH_BODY = 100 * 2**20  # batch transform
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
    """Everything the server is told from outside."""

    model_dir: Path
    multi_model: bool  # SageMaker says which models to load, and when
    port: int
    log_level: str
    cpus: int  # that this container may use
    workers: int  # processes that serve, each with the model
    threads: int  # predictions at a time in each worker
    batch_rows: int  # records of several requests that are predicted together; 1: each request alone
    waiting: int  # requests in each worker that may wait for their turn; those beyond get 503
    max_body: int  # bytes (SageMaker: at most 25 MB a request, 100 MB in batch transform)
    answers: tuple[str, ...]  # the media types of answers, first that for a client who names none
    docs: bool  # GET /docs is there


def read(environ: Mapping[str, str], cgroup: Path = CGROUP) -> Settings:
    """Reads the settings. Raises StartError, with the variable's name, for a value that cannot be used."""
    cpus = count_cpus(cgroup)
    return Settings(
        model_dir=Path(environ.get("SM_MODEL_DIR") or "/opt/ml/model"),
        multi_model=read_multi_model(environ),
        port=read_number(environ, "SAGEMAKER_BIND_TO_PORT", 8080, most=65535),
        log_level=read_choice(environ, "SM_LOG_LEVEL", "INFO", LOG_LEVELS),
        cpus=cpus,
        workers=read_number(environ, "SM_WORKERS", cpus),
        threads=read_number(environ, "SM_THREADS", 1),
        batch_rows=read_number(environ, "SM_BATCH_ROWS", 256, most=2**20),
        waiting=128,
        max_body=MAX_BATCH_BODY if environ.get("SAGEMAKER_BATCH", "").lower() == "true" else MAX_BODY,
        answers=read_answers(environ),
        docs=read_choice(environ, "SM_DOCS", "0", ("0", "1")) == "1",
    )


def read_multi_model(environ: Mapping[str, str]) -> bool:
    """Whether many models are served. Raises StartError if this container cannot."""
    name = "SAGEMAKER_MULTI_MODEL"
    wanted = read_choice(environ, name, "false", ("true", "false")) == "true"
    if wanted and not Path(__file__).with_name("multi.py").exists():
        raise StartError(f"{name} is true, and this container serves one model: generate it with --multi-model.")
    return wanted


def read_number(environ: Mapping[str, str], name: str, default: int, most: int = 1024) -> int:
    """A whole number from 1 to `most`."""
    text = environ.get(name) or str(default)
    if not text.isdecimal() or len(text) > len(str(most)) or not 1 <= int(text) <= most:
        raise StartError(f"{name} is {text[:40]!r}: set it to a whole number from 1 to {most}, or unset it.")
    return int(text)


def read_fraction(environ: Mapping[str, str], name: str, default: float) -> float:
    """A number from 0 to 1."""
    text = environ.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise StartError(f"{name} is {text[:40]!r}: set it to a number from 0 to 1, or unset it.")
    return number


def read_choice(environ: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    """One of `choices`, in whatever case it was written."""
    text = environ.get(name) or default
    for choice in choices:
        if choice.lower() == text.strip().lower():
            return choice
    raise StartError(f"{name} is {text!r}: set it to one of {', '.join(choices)}, or unset it.")


def read_answers(environ: Mapping[str, str]) -> tuple[str, ...]:
    """All media types of answers, the default one first."""
    name = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"
    default = read_choice(environ, name, media_types.JSON, media_types.ANSWERS)
    return default, *(media_type for media_type in media_types.ANSWERS if media_type != default)


def limit_math_threads(settings: Settings, given: Mapping[str, str], environ: MutableMapping[str, str]) -> None:
    """Shares the CPUs out, so that workers x threads x math threads fits them. Call it before NumPy is imported.

    Left alone, OpenMP and BLAS start a thread for every CPU of the machine in every worker, which is many times
    slower. A variable that was `given` from outside stays.
    """
    share = max(1, settings.cpus // (settings.workers * settings.threads))
    environ.update({name: str(share) for name in MATH_THREADS if not given.get(name)})


def count_math_threads(environ: Mapping[str, str] = os.environ) -> int:
    """The threads that one prediction may use, for libraries that do not read OMP_NUM_THREADS themselves."""
    return read_number(environ, "OMP_NUM_THREADS", 1)


def fit_handler(settings: Settings, given: Mapping[str, str], preload: bool, thread_safe: bool) -> Settings:
    """The settings as the handler's PRELOAD and THREAD_SAFE allow them."""
    if not preload and not given.get("SM_WORKERS"):
        settings = replace(settings, workers=1)  # each would hold a model of its own, and one prediction uses all CPUs
    if not thread_safe and settings.threads > 1:
        logging.warning("SM_THREADS is %d: one thread is used, for THREAD_SAFE is False.", settings.threads)
        settings = replace(settings, threads=1)
    return settings


def limit_workers(settings: Settings, environ: Mapping[str, str], used: int, limit: float) -> Settings:
    """The settings with as many workers as `limit` bytes of memory have room for. Call it when the model is loaded.

    SM_WORKERS has the last word: it is right to set it where the workers share the model's memory, as arrays do.
    """
    copies = count_copies(used, limit)
    if settings.workers <= copies or environ.get("SM_WORKERS"):
        return settings
    logging.warning(
        "Workers: %d instead of %d: the process with the model takes %d MB of the %d MB that this container may use.",
        copies,
        settings.workers,
        used // 2**20,
        limit // 2**20,
    )
    return replace(settings, workers=copies)


def count_cpus(cgroup: Path = CGROUP) -> int:
    """The CPUs this process may use: its affinity, capped by the container's quota, and at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(affinity, read_first(cgroup, read_quota_v2, read_quota_v1))))


def count_copies(used: int, limit: float) -> int:
    """How many processes fit in `limit` bytes of memory, beside the first, if each comes to hold all `used` bytes.

    A forked process shares the model with the first one until either writes to it; reference counts are writes too.
    """
    return max(1, int(min(FULL * limit / used - 1, 2**16)))


def read_memory_limit(cgroup: Path = CGROUP) -> float:
    """The bytes of memory this container may use: the machine's, capped by the cgroup."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(float(machine), read_first(cgroup, read_memory_v2, read_memory_v1))


def read_used_memory() -> int:
    """The bytes of memory that this process holds; where the system does not tell, the most it ever held."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def read_first(place: Path, *readers: Callable[[Path], float], default: float = float("inf")) -> float:
    """What the first reader finds that understands this system; if none does, there is no limit."""
    for reader in readers:
        try:
            return reader(place)
        except (OSError, ValueError, KeyError, ZeroDivisionError):
            continue
    return default


def read_quota_v2(cgroup: Path) -> float:
    """CPUs, from cpu.max: "150000 100000", in microseconds; "max 100000" is no quota (ValueError)."""
    quota, period = (cgroup / "cpu.max").read_text().split()
    return int(quota) / int(period)


def read_quota_v1(cgroup: Path) -> float:
    """CPUs, from cpu.cfs_quota_us and cpu.cfs_period_us; a quota of -1 is none."""
    folder = cgroup / "cpu"
    quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    return quota / period if quota > 0 else float("inf")


def read_memory_v2(cgroup: Path) -> float:
    """Bytes, from memory.max; "max" is no limit (ValueError)."""
    return int((cgroup / "memory.max").read_text())


def read_memory_v1(cgroup: Path) -> float:
    """Bytes, from memory.limit_in_bytes; no limit is a huge number there."""
    return int((cgroup / "memory" / "memory.limit_in_bytes").read_text())
