"""serving/memory.py: the memory available for models, read from files of a system."""

from pathlib import Path

import pytest

from serving import memory

GB = 2**30
FILES = "anon 1\nactive_file 268435456\ninactive_file 268435456\n"  # half a GB of file pages
V2 = {"memory.max": f"{4 * GB}\n", "memory.current": f"{2 * GB}\n", "memory.stat": FILES}
V1 = {
    "memory/memory.limit_in_bytes": f"{4 * GB}\n",
    "memory/memory.usage_in_bytes": f"{2 * GB}\n",
    "memory/memory.stat": FILES.replace("active", "total_active").replace("intotal_active", "total_inactive"),
}


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    file = tmp_path / "meminfo"
    file.write_text(f"MemTotal: 1 kB\nMemAvailable: {3 * GB // 1024} kB\nHugePages_Total: 0\n")
    return file


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("files", [V2, V1])
def test_free_memory_is_nine_tenths_of_the_limit_minus_used_memory(
    files: dict[str, str], tmp_path: Path, meminfo: Path
) -> None:
    free = memory.read_free(write(tmp_path, files), meminfo)
    assert free == pytest.approx(0.9 * 4 * GB - 1.5 * GB)  # file pages can be reclaimed


def test_free_memory_is_limited_by_the_machine(tmp_path: Path, meminfo: Path) -> None:
    large = {**V2, "memory.max": f"{4 * GB}\n", "memory.current": f"{GB // 2}\n"}
    assert memory.read_free(write(tmp_path, large), meminfo) == pytest.approx(3 * GB - 0.1 * 4 * GB)


def test_free_memory_is_negative_before_the_limit_is_reached(tmp_path: Path, meminfo: Path) -> None:
    full = {**V2, "memory.current": f"{int(4.3 * GB)}\n"}
    assert memory.read_free(write(tmp_path, full), meminfo) < 0


def test_free_memory_is_the_machines_if_there_are_no_cgroups(tmp_path: Path) -> None:
    assert memory.read_free(tmp_path, tmp_path / "none") > GB


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, 0),
        ({"memory.events": "low 0\noom 3\noom_kill 2\n"}, 2),
        ({"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"}, 4),
    ],
)
def test_out_of_memory_kills_are_counted(files: dict[str, str], kills: int, tmp_path: Path) -> None:
    assert memory.count_kills(write(tmp_path, files)) == kills
