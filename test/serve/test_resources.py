"""The CPUs and the memory this container may use: serving/settings.py."""

import os
from pathlib import Path

import pytest

from serving import settings


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
def test_cpus_are_those_the_container_may_use(
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
def test_memory_is_what_the_container_may_use(files: dict[str, str], limit: int, tmp_path: Path) -> None:
    assert settings.read_memory_limit(write_cgroup(tmp_path, files)) == limit


@pytest.mark.parametrize("files", [{}, {"memory.max": "max"}, {"memory/memory.limit_in_bytes": f"{2**63 - 4096}"}])
def test_without_a_limit_it_is_the_machines(files: dict[str, str], tmp_path: Path) -> None:
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert settings.read_memory_limit(write_cgroup(tmp_path, files)) == machine


def test_the_memory_of_this_process_is_known() -> None:
    assert 2**20 < settings.read_used_memory() < settings.read_memory_limit()
