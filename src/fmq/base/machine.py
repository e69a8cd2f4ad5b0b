"""The cores and the memory that this process may use: a container may have less than its machine.

Linux limits groups of processes (cgroups): `cpu.max` and `memory.max` of each group, or files of
other names in the older version 1, where each resource has a tree of its own.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def cores() -> int:
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # a cluster gives a job fewer than the machine has
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota() -> float | None:
    """Return the cores' worth of time that this process's groups may use; None if unlimited."""
    newer = (text.split() for text in _limits("", "cpu.max"))
    found = [int(used) / int(period) for used, period in newer if used != "max"]
    files = ("cpu.cfs_quota_us", "cpu.cfs_period_us")  # a group has both or none
    older = zip(*(_limits("cpu", name) for name in files), strict=True)
    found += [int(used) / int(period) for used, period in older if int(used) > 0]
    return min(found, default=None)


def usable_cores() -> int:
    """Return the number of cores that this process can keep busy: at most its quota."""
    most = quota()
    return cores() if most is None else max(1, min(cores(), int(most)))


def memory() -> int:
    """Return the bytes of memory that this process may use."""
    newer = [text for text in _limits("", "memory.max") if text != "max"]
    older = list(_limits("memory", "memory.limit_in_bytes"))
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *map(int, newer), *map(int, older)])


def _limits(resource: str, name: str) -> Iterator[str]:
    """Yield what a file says in this process's group and in those around it, as far as it is there.

    Args:
        resource: tree of version 1, or "" for version 2.
        name: the file's name.
    """
    for group in _groups(resource):
        top = GROUPS / resource
        inner = top / group.strip("/")  # in a container its own group may be the top, "/"
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(top):
                with suppress(OSError):
                    yield (folder / name).read_text(encoding="utf-8").strip()


def _groups(resource: str) -> Iterator[str]:
    """Yield the path of this process's group in a tree."""
    with suppress(OSError):
        for line in OWN.read_text(encoding="utf-8").splitlines():  # 4:memory:/a/b, or 0::/a/b
            _, resources, group = line.split(":", 2)
            if resource in resources.split(","):
                yield group
