"""What a container may use of its machine."""

import os

import pytest
from helpers.machines import half_a_core

from fmq.base import machine

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
NEW = {
    "cpu.max": "max 100000",
    "a/cpu.max": "150000 100000",
    "a/b/cpu.max": "max 100000",
    "a/memory.max": f"{2**28}",
    "a/b/memory.max": "max",
}
OLD = {
    "cpu/a/cpu.cfs_quota_us": "150000",
    "cpu/a/cpu.cfs_period_us": "100000",
    "cpu/a/b/cpu.cfs_quota_us": "-1",
    "cpu/a/b/cpu.cfs_period_us": "100000",
    "memory/memory.limit_in_bytes": "9223372036854771712",
    "memory/a/memory.limit_in_bytes": f"{2**28}",
}


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Write a tree of groups, and put this process into one of them."""

    def write(files: dict[str, str], own: str) -> None:
        for name, text in files.items():
            path = tmp_path / "groups" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        (tmp_path / "own").write_text(own)
        monkeypatch.setattr(machine, "GROUPS", tmp_path / "groups")
        monkeypatch.setattr(machine, "OWN", tmp_path / "own")

    return write


@pytest.mark.parametrize(
    ("files", "own"), [(NEW, "0::/a/b\n"), (OLD, "4:memory:/a/b\n2:cpu,cpuacct:/a/b\n0::/\n")]
)
def test_the_narrowest_group_around_a_process_decides(groups, files, own) -> None:
    groups(files, own)
    assert machine.quota() == 1.5
    assert machine.memory() == 2**28


def test_groups_beside_the_own_one_do_not_count(groups) -> None:
    groups(NEW, "0::/other\n")
    assert machine.quota() is None
    assert machine.memory() == MACHINE


def test_where_no_groups_are_told_of_the_machine_decides(groups, tmp_path) -> None:
    groups({}, "")
    assert (machine.quota(), machine.memory()) == (None, MACHINE)
    (tmp_path / "own").unlink()
    assert (machine.quota(), machine.memory()) == (None, MACHINE)


@pytest.mark.parametrize(("quota", "usable"), [(None, 4), (0.5, 1), (2.5, 2), (8.0, 4)])
def test_a_quota_leaves_whole_cores_and_at_least_one(monkeypatch, quota, usable) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine, "quota", lambda: quota)
    assert machine.usable_cores() == usable


def test_a_quota_that_the_system_keeps(tmp_path) -> None:
    for there in half_a_core(tmp_path):
        tell = "from fmq.base.machine import quota; print(quota())"
        assert there.run("python", "-c", tell).stdout == b"0.5\n"
