"""Worker processes, which use one thread for linear algebra."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from fmq.base.errors import UserError
from fmq.base.messages import one_line

_BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ONE_BLAS_THREAD = dict.fromkeys(_BLAS_THREADS, "1")
"""Environment variables that limit linear algebra to one thread; BLAS reads them at start-up."""


class Worker(NamedTuple):
    """A worker process that runs a module of ours, and our end of the connection to it."""

    process: subprocess.Popen[bytes]
    connection: Connection

    def close(self) -> None:
        """Kill the process, which must hold nothing that has to be saved."""
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def ended(self) -> int | None:
        """Return the exit code, waiting up to 1 s for it; None if the process is still running."""
        try:
            return self.process.wait(1)
        except subprocess.TimeoutExpired:
            return None


def start_worker(module: str, environment: Mapping[str, str] | None = None) -> Worker:
    """Start ``python -m MODULE FD``, where FD is the worker's end of a connection.

    It is a new interpreter; a fork of this process would inherit torch and its threads. It does
    not hear SIGINT and SIGTERM, but its connection closes when this process ends, however it ends.

    Args:
        environment: variables to set in addition to this process's.
    """
    ours, theirs = Pipe()
    descriptor = theirs.fileno()
    with theirs, _deaf():
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(descriptor)],
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
            env=os.environ | ONE_BLAS_THREAD | dict(environment or {}),
        )
    return Worker(process, ours)


def describe_fault(error: Exception) -> str:
    """Print the traceback of an error, and return the line that a worker answers with."""
    traceback.print_exc()
    return f"{one_line(f'{type(error).__name__}: {error}', 200)}; see the traceback above"


@contextmanager
def _deaf() -> Iterator[None]:
    """Block SIGINT and SIGTERM in processes that are started inside this context.

    Terminals and cluster schedulers send these signals to every process of a job. This process
    then stops in an orderly way and the workers end with it; if the workers stopped first, this
    process would report an error.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@contextmanager
def parallel_map(processes: int) -> Iterator[Map]:
    """Yield a function like `map` that runs in worker processes and keeps the order of the jobs.

    Jobs that have not begun when the block fails are given up. Workers end with this process,
    however it ends.

    Raises:
        UserError: a worker process was killed.
    """
    spawn = multiprocessing.get_context("spawn")
    try:
        with (
            _one_blas_thread(),
            ProcessPoolExecutor(processes, spawn, initializer=_end_with_parent) as executor,
        ):
            try:
                yield executor.map
            except BaseException:
                executor.shutdown(cancel_futures=True)
                raise
    except BrokenProcessPool:
        raise UserError(
            "a generator process was killed, often for lack of memory; use fewer processes"
        ) from None


def _end_with_parent() -> None:
    """End this process once its parent has ended, which a pool's workers would not notice.

    They wait for jobs in a pipe of which each of them also holds the end that is written to.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


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
