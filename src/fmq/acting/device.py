"""Choose the device of a process, and share the GPUs of a machine between processes."""

import os
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock, Timeout

from fmq.acting import gpus
from fmq.base.errors import UserError
from fmq.base.messages import notice
from fmq.config.study import Study
from fmq.pipeline.runs import Run

POLL_SECONDS = 1.0

SLURM_SHARE = "SLURM_SHARDS_ON_NODE"
"""Environment variable of a Slurm job that asked for shares of a GPU (``--gres=shard:N``)."""


class Claim(NamedTuple):
    """A device and the lock that reserves it until the claim is dropped or the process ends."""

    device: torch.device
    lock: FileLock | None


def claim_device(study: Study) -> Claim:
    """Claim the device of the settings; also set the CPU threads and the matmul precision.

    ``auto`` and ``cuda`` take a slot on one of the visible GPUs, each of which has
    `study.jobs_per_device` slots, and wait while all are taken. A device with a number is used
    without a lock, and so is a GPU of which Slurm gave the job a share: Slurm counts these itself.
    What ``auto`` stands for is said once.

    Raises:
        UserError: a GPU is requested and it is not there, or torch cannot use it.
    """
    torch.set_num_threads(study.threads)
    torch.backends.cuda.matmul.fp32_precision = "tf32" if study.training.tf32 else "ieee"
    kind, _, digits = study.device.partition(":")
    if not study.wants_gpu:
        if kind == "auto" and gpus.driver():
            width = study.networks.hidden_width
            _say(f"`device: auto` is the CPU for networks of {width} units; cuda uses the GPU")
        return Claim(torch.device("cpu"), None)
    here = gpus.look()
    fault = gpus.obstacle(here, int(digits) if digits else None)
    if fault is not None:
        if kind == "auto":
            _say(f"`device: auto` is the CPU here: {fault.reason}; to use a GPU, {fault.remedy}")
            return Claim(torch.device("cpu"), None)
        raise UserError(f"device {study.device}: {fault.reason}; {fault.remedy}, or use cpu")
    if digits or SLURM_SHARE in os.environ:
        return Claim(take(study.device if digits else "cuda"), None)
    # Device numbers are relative to what the job may see; the UUID identifies the card.
    cards = {here.cards[number].uuid: number for number in gpus.usable(here)}
    folder = Path(tempfile.gettempdir()) / f"fmq-devices-{os.getuid()}"
    place, lock = claim_place(folder, [*cards], study.jobs_per_device)
    number = [*cards.values()][place]
    _say(f"`device: {kind}` is cuda:{number} here, {here.cards[number].name}")
    return Claim(take(f"cuda:{number}"), lock)


def claim_for_evaluation(study: Study) -> Claim:
    """Claim the device for evaluating a checkpoint: the CPU, unless the settings name a GPU.

    An evaluation waits for simulators most of the time, for which no GPU has to be kept.
    """
    return _claim_cpu(study) if study.device == "auto" else claim_device(study)


def claim_of_last_evaluation(run: Run) -> Claim:
    """Claim a device of the kind that a run's last evaluation is made on, with the same noise."""
    if not run.trained:
        return claim_for_evaluation(run.study)
    return _claim_cpu(run.study) if run.study.evaluation.beside else claim_device(run.study)


def _claim_cpu(study: Study) -> Claim:
    return claim_device(study.model_copy(update={"device": "cpu"}))


def take(name: str) -> torch.device:
    """Return a device, and make a GPU current, which streams and graphs use by default.

    Args:
        name: ``cpu``, ``cuda`` for the first GPU, or ``cuda:1``.
    """
    device = torch.device(name)
    if device.type != "cuda":
        return device
    device = torch.device("cuda", device.index or 0)
    torch.cuda.set_device(device)
    return device


_say = cache(notice)  # once per process


def claim_place(folder: Path, cards: Sequence[str], places: int) -> tuple[int, FileLock]:
    """Wait for a free slot on a card and lock it.

    The operating system releases the lock when the process ends, however it ends.

    Args:
        folder: the folder of the lock files, the same for all processes.
        cards: names of the cards; the first slot of every card is tried before any second one.
        places: number of slots per card.

    Returns:
        The index of the card in `cards`, and the lock, held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waiting = False
    while True:
        for place, (number, card) in product(range(places), enumerate(cards)):
            lock = FileLock(folder / f"{card}-{place}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            return number, lock
        if not waiting:
            taken = f"{len(cards)} GPUs with {places} jobs each are taken"
            notice(f"waiting for a place: {taken}")
            waiting = True
        time.sleep(POLL_SECONDS)
