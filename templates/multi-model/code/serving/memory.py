"""The memory that is left for models: of what this container may use, and of what the machine has."""

from pathlib import Path

from serving.settings import CGROUP, MEMORY_FRACTION, read_first, read_memory_limit

MEMINFO = Path("/proc/meminfo")
SMAPS = Path("/proc/self/smaps_rollup")


def read_free(cgroup: Path = CGROUP, meminfo: Path = MEMINFO) -> float:
    """The bytes that models may still take; below 0 it is time to stop one. Infinity where the system does not tell.

    What is free is so for everyone: the container is killed when it passes its limit, and the largest process of the
    machine when that has no memory left. A tenth of either is kept back for what the models take while they predict.
    """
    limit = read_memory_limit(cgroup)
    in_container = MEMORY_FRACTION * limit - read_first(cgroup, read_used_v2, read_used_v1, default=0.0)
    return min(in_container, read_first(meminfo, read_available, default=float("inf")) - (1 - MEMORY_FRACTION) * limit)


def read_used_v2(cgroup: Path) -> float:
    """Bytes that the container holds. The pages of files do not count: they are given back when memory is short."""
    used = int((cgroup / "memory.current").read_text())
    numbers = read_numbers(cgroup / "memory.stat")
    return used - numbers["active_file"] - numbers["inactive_file"]


def read_used_v1(cgroup: Path) -> float:
    """The same, where cgroups are of version 1."""
    used = int((cgroup / "memory/memory.usage_in_bytes").read_text())
    numbers = read_numbers(cgroup / "memory/memory.stat")
    return used - numbers["total_active_file"] - numbers["total_inactive_file"]


def read_available(meminfo: Path) -> float:
    """Bytes of the machine that can be taken without swapping."""
    return read_numbers(meminfo)["MemAvailable:"] * 1024


def read_private() -> int:
    """The bytes that only this process holds, and that come back when it ends; 0 where the system does not tell."""
    try:
        numbers = read_numbers(SMAPS)
    except OSError:
        return 0
    return (numbers["Private_Clean:"] + numbers["Private_Dirty:"]) * 1024


def count_kills(cgroup: Path = CGROUP) -> float:
    """The processes of this container that the system has killed because there was no memory."""
    files = (cgroup / "memory.events", cgroup / "memory/memory.oom_control")
    return sum(read_first(file, lambda each: read_numbers(each)["oom_kill"], default=0.0) for file in files)


def read_numbers(file: Path) -> dict[str, int]:
    """The lines of a file that are a name and a number."""
    words = (line.split() for line in file.read_text().splitlines())
    return {name: int(number) for name, number, *_ in (each for each in words if len(each) > 1) if number.isdecimal()}
