"""Worker processes of a pool end when their work has no use any more."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.processes import all_end, runs

from fmq.base.workers import parallel_map

HOLDER = """
import os, sys, time
from fmq.base.workers import parallel_map

def work(number):
    return os.getpid()

if __name__ == "__main__":
    with parallel_map(2) as run:
        jobs = run(work, range(8))
        print(*set(jobs), flush=True)
        sys.stdin.read()
"""


def test_no_worker_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "holder.py"
    program.write_text(HOLDER)
    parent = subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    started = set(map(int, parent.stdout.readline().split()))
    assert started
    assert all(map(runs, started))
    parent.kill()
    parent.wait()
    assert all_end(started)
    parent.communicate()  # the workers have its pipes, too


def test_jobs_that_have_not_begun_are_given_up_when_one_fails(tmp_path: Path) -> None:
    places = [tmp_path / str(number) for number in range(2000)]

    def consume(done: Iterator[None]) -> None:
        next(done)
        raise OSError(os.strerror(28))

    with pytest.raises(OSError, match="No space"), parallel_map(1) as run:
        consume(run(os.mkdir, places))
    assert len(list(tmp_path.iterdir())) < len(places)
