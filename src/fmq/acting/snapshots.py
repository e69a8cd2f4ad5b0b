"""A process that evaluates snapshots of runs in training: ``python -m fmq.acting.snapshots FD``.

A snapshot holds what the policy of a run needs at some step, as `Learner.state` names it. The file
descriptor FD is one end of a `multiprocessing.Pipe`. The first message is the runs, which differ in
their seeds, and the results folder. Every later message is a step and a snapshot per run. Every
answer is a pair (episodes per run, error message), one of which is None. Answers come in the order
of the messages.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

import torch

from fmq.acting.evaluation import Evaluator, Rows, policy_with, read_networks
from fmq.base.errors import UserError
from fmq.base.workers import describe_fault
from fmq.pipeline.runs import Run


def evaluate_snapshots(
    runs: Sequence[Run], step: int, paths: Sequence[Path], evaluator: Evaluator
) -> list[Rows]:
    """Return the episodes of each run's policy at a step, in which the CPU draws the noise.

    Args:
        runs: the same run for one seed or for several.
        step: the step after which the snapshots were saved.
        paths: a snapshot per run.
        evaluator: the simulators, which the runs use in turn.

    Raises:
        UserError: a snapshot cannot be used, or a simulator failed.
    """
    found = []
    for run, path in zip(runs, paths, strict=True):
        remedy = f"delete {path.parent} to start the run over"
        networks = read_networks(path, run, torch.device("cpu"), remedy)
        policy = policy_with(networks, run, run.sampler, step)
        found.append(evaluator.episodes(run, policy.act, run.sampler, step))
    return found


def serve(connection: Connection) -> None:
    """Answer messages until the connection closes, which ends this process at once."""
    messages = _messages(connection)
    runs, results = next(messages)
    torch.set_num_threads(runs[0].study.threads)
    with closing(Evaluator(runs[0], results)) as evaluator:
        for step, paths in messages:
            connection.send(_answer(runs, step, paths, evaluator))


def _answer(
    runs: Sequence[Run], step: int, paths: Sequence[Path], evaluator: Evaluator
) -> tuple[list[Rows] | None, str | None]:
    try:
        return evaluate_snapshots(runs, step, paths, evaluator), None
    except UserError as error:
        return None, str(error)
    except Exception as error:
        return None, describe_fault(error)


def _messages(connection: Connection) -> Iterator[Any]:
    """Yield messages; end the process when the connection closes, also during an evaluation."""
    queue: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_receive, args=(connection, queue), daemon=True).start()
    while True:
        yield queue.get()


def _receive(connection: Connection, queue: SimpleQueue[Any]) -> None:
    try:
        while True:
            queue.put(connection.recv())
    finally:
        os._exit(0)


if __name__ == "__main__":
    with suppress(ConnectionError):
        serve(Connection(int(sys.argv[1])))
