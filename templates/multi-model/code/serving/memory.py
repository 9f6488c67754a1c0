"""The memory available for models, within the container's limit and on the machine."""

from pathlib import Path

from serving.settings import CGROUP, MEMORY_FRACTION, read_first, read_memory_limit

MEMINFO = Path("/proc/meminfo")
SMAPS = Path("/proc/self/smaps_rollup")


def read_free(cgroup: Path = CGROUP, meminfo: Path = MEMINFO) -> float:
    """Return the bytes available for models; infinity if unknown. Below 0, a model that is loading must be stopped.

    The kernel kills the container if it exceeds its limit, and the largest process if the machine runs out of memory.
    A tenth of each is reserved for what models allocate while they predict.
    """
    limit = read_memory_limit(cgroup)
    in_container = MEMORY_FRACTION * limit - read_first(cgroup, read_used_v2, read_used_v1, default=0.0)
    return min(in_container, read_first(meminfo, read_available, default=float("inf")) - (1 - MEMORY_FRACTION) * limit)


def read_used_v2(cgroup: Path) -> float:
    """Return the bytes that the container uses, without cached files, which the kernel drops when memory is short."""
    used = int((cgroup / "memory.current").read_text())
    numbers = read_numbers(cgroup / "memory.stat")
    return used - numbers["active_file"] - numbers["inactive_file"]


def read_used_v1(cgroup: Path) -> float:
    """Return the same as read_used_v2, for cgroups v1."""
    used = int((cgroup / "memory/memory.usage_in_bytes").read_text())
    numbers = read_numbers(cgroup / "memory/memory.stat")
    return used - numbers["total_active_file"] - numbers["total_inactive_file"]


def read_available(meminfo: Path) -> float:
    """Return the bytes that the machine can allocate without swapping."""
    return read_numbers(meminfo)["MemAvailable:"] * 1024


def read_private() -> int:
    """Return the bytes private to this process, which are freed when it ends; 0 if unknown."""
    try:
        numbers = read_numbers(SMAPS)
    except OSError:
        return 0
    return (numbers["Private_Clean:"] + numbers["Private_Dirty:"]) * 1024


def count_kills(cgroup: Path = CGROUP) -> float:
    """Return the number of processes in this container that the kernel killed for lack of memory."""
    files = (cgroup / "memory.events", cgroup / "memory/memory.oom_control")
    return sum(read_first(file, lambda each: read_numbers(each)["oom_kill"], default=0.0) for file in files)


def read_numbers(file: Path) -> dict[str, int]:
    """Parse the lines of a file that consist of a name and a number."""
    words = (line.split() for line in file.read_text().splitlines())
    return {name: int(number) for name, number, *_ in (each for each in words if len(each) > 1) if number.isdecimal()}
