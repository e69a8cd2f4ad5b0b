"""Worker processes that return results in order and use one thread for linear algebra."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from fmq.base.errors import UserError

_BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ONE_BLAS_THREAD = dict.fromkeys(_BLAS_THREADS, "1")
"""Environment variables that limit linear algebra to one thread; BLAS reads them at start-up."""

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@contextmanager
def parallel_map(processes: int) -> Iterator[Map]:
    """Yield a function like `map` that runs in worker processes and keeps the order of the jobs.

    Raises:
        UserError: a worker process was killed.
    """
    spawn = multiprocessing.get_context("spawn")
    try:
        with _one_blas_thread(), ProcessPoolExecutor(processes, mp_context=spawn) as executor:
            yield executor.map
    except BrokenProcessPool:
        raise UserError(
            "a generator process was killed, often for lack of memory; use fewer processes"
        ) from None


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """Limit linear algebra to one thread in processes that are started inside the block.

    The arms' inverse kinematics solves 6 x 6 systems. With more threads the last digits, and so
    the bytes of a data set, would depend on the number of threads, and it would take twice as long.
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
