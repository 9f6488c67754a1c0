"""serving/settings.py: settings from the environment and the container's limits."""

import dataclasses
import os
from pathlib import Path

import pytest

from serving import settings
from serving.errors import StartError


def write_cgroup(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def v1(quota: int) -> dict[str, str]:
    return {"cpu/cpu.cfs_quota_us": f"{quota}\n", "cpu/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "350000 100000\n"}, 3),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"cpu.max": "nonsense"}, 8),
        (v1(-1), 8),
        (v1(300000), 3),
        (v1(20000), 1),
    ],
)
def test_cpus_are_limited_by_the_container(
    files: dict[str, str], cpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert settings.count_cpus(write_cgroup(tmp_path, files)) == cpus


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"memory.max": "536870912\n"}, 2**29),
        ({"memory/memory.limit_in_bytes": "536870912\n"}, 2**29),
    ],
)
def test_memory_is_limited_by_the_container(files: dict[str, str], limit: int, tmp_path: Path) -> None:
    assert settings.read_memory_limit(write_cgroup(tmp_path, files)) == limit


@pytest.mark.parametrize("files", [{}, {"memory.max": "max"}, {"memory/memory.limit_in_bytes": f"{2**63 - 4096}"}])
def test_without_a_limit_memory_is_the_machines(files: dict[str, str], tmp_path: Path) -> None:
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert settings.read_memory_limit(write_cgroup(tmp_path, files)) == machine


def test_used_memory_is_positive() -> None:
    assert 2**20 < settings.read_used_memory() < settings.read_memory_limit()


def test_defaults_are_port_8080_and_one_worker_per_cpu(tmp_path: Path) -> None:
    chosen = settings.read({}, write_cgroup(tmp_path, {"cpu.max": "100000 100000"}))
    assert (chosen.model_dir, chosen.port, chosen.response_types[0]) == (
        Path("/opt/ml/model"),
        8080,
        "application/json",
    )
    assert (chosen.cpus, chosen.workers, chosen.threads, chosen.max_body) == (1, 1, 1, 25 * 2**20)


def test_the_environment_overrides_defaults(tmp_path: Path) -> None:
    environ = {
        "SM_MODEL_DIR": "/models",
        "SAGEMAKER_BIND_TO_PORT": "9000",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "Text/CSV",
        "SM_LOG_LEVEL": "debug",
        "SM_WORKERS": "3",
        "SM_THREADS": "2",
        "SM_BATCH_ROWS": "1",
        "SAGEMAKER_BATCH": "true",
        "SM_DOCS": "1",
    }
    chosen = settings.read(environ, tmp_path)
    assert (chosen.model_dir, chosen.port, chosen.response_types[:2]) == (
        Path("/models"),
        9000,
        ("text/csv", "application/json"),
    )
    assert (chosen.log_level, chosen.workers, chosen.threads) == ("DEBUG", 3, 2)
    assert (chosen.batch_rows, chosen.max_body, chosen.docs) == (1, 100 * 2**20, True)


@pytest.mark.parametrize(
    ("environ", "megabytes"),
    [
        ({"SM_MAX_BODY_MB": "1000"}, 1000),
        ({"SM_MAX_BODY_MB": "30", "SAGEMAKER_BATCH": "true"}, 30),
    ],
)
def test_sm_max_body_mb_overrides_the_limit_of_a_body(environ: dict[str, str], megabytes: int, tmp_path: Path) -> None:
    assert settings.read(environ, tmp_path).max_body == megabytes * 2**20


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert settings.read({"SAGEMAKER_BIND_TO_PORT": "", "SM_LOG_LEVEL": ""}, tmp_path) == settings.read({}, tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "http"),
        ("SAGEMAKER_BIND_TO_PORT", "0"),
        ("SAGEMAKER_BIND_TO_PORT", "65536"),
        ("SAGEMAKER_BIND_TO_PORT", "-1"),
        ("SM_WORKERS", "0"),
        ("SM_WORKERS", "9" * 5000),
        ("SM_MAX_BODY_MB", "0"),
        ("SM_MAX_BODY_MB", "1001"),
        ("SM_MAX_BODY_MB", "1.5"),
        ("SM_LOG_LEVEL", "loud"),
        ("SM_DOCS", "yes"),
        ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "image/png"),
    ],
)
def test_an_invalid_value_is_named_in_the_error(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=name):
        settings.read({name: value}, tmp_path)


@pytest.mark.parametrize(("quota", "workers", "share"), [("8", "8", "1"), ("8", "2", "4"), ("1", "4", "1")])
def test_math_threads_and_workers_share_the_cpus(
    quota: str, workers: str, share: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    cgroup = write_cgroup(tmp_path, {"cpu.max": f"{quota}00000 100000"})
    environ = {"MKL_NUM_THREADS": "7"}
    given = dict(environ)
    for chosen in ("1", workers):  # variables set before are updated once the workers are known
        settings.limit_math_threads(settings.read({"SM_WORKERS": chosen}, cgroup), given, environ)
    assert environ["OMP_NUM_THREADS"] == environ["OPENBLAS_NUM_THREADS"] == share
    assert environ["MKL_NUM_THREADS"] == "7"
    assert settings.count_math_threads(environ) == int(share)


def test_a_handler_can_require_one_process_and_one_thread(tmp_path: Path) -> None:
    chosen = dataclasses.replace(settings.read({}, tmp_path), workers=4, threads=2)
    assert settings.fit_handler(chosen, {}, preload=True, thread_safe=True) == chosen
    one = settings.fit_handler(chosen, {}, preload=False, thread_safe=False)
    assert (one.workers, one.threads) == (1, 1)
    assert settings.fit_handler(chosen, {"SM_WORKERS": "4"}, preload=False, thread_safe=True).workers == 4


GIGABYTE = 2**30


@pytest.mark.parametrize(
    ("used", "limit", "environ", "workers"),
    [
        (GIGABYTE, 16 * GIGABYTE, {}, 4),
        (GIGABYTE, 4 * GIGABYTE, {}, 2),
        (3 * GIGABYTE, 4 * GIGABYTE, {}, 1),
        (3 * GIGABYTE, 4 * GIGABYTE, {"SM_WORKERS": "4"}, 4),
    ],
)
def test_workers_are_limited_by_memory(
    used: int, limit: int, environ: dict[str, str], workers: int, tmp_path: Path
) -> None:
    chosen = dataclasses.replace(settings.read({}, tmp_path), workers=4)
    assert settings.limit_workers(chosen, environ, used, limit).workers == workers
