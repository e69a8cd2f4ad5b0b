"""Worker processes that keep the order of their jobs and do linear algebra in one thread."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from fmq.errors import UserError

_BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ONE_BLAS_THREAD = dict.fromkeys(_BLAS_THREADS, "1")
"""Variables with which a process does linear algebra in one thread, if it starts with them."""

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@contextmanager
def parallel_map(processes: int) -> Iterator[Map]:
    """A map of a function over jobs that keeps their order, in processes of its own.

    Raises:
        UserError: a process was killed.
    """
    spawn = multiprocessing.get_context("spawn")
    try:
        with _one_blas_thread(), ProcessPoolExecutor(processes, mp_context=spawn) as executor:
            yield executor.map
    except BrokenProcessPool:
        raise UserError(
            "a generator process was killed, often for want of memory; use fewer processes"
        ) from None


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """For processes started inside: linear algebra in one thread.

    The arms' inverse kinematics solves 6 x 6 systems. With more threads the last digits, and so
    the bytes, would depend on their number, and they would take twice the time.
    """
    before = {name: os.environ.get(name) for name in ONE_BLAS_THREAD}
    os.environ.update(ONE_BLAS_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
