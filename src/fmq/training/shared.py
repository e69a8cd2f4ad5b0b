"""What the runs of one process have in common, though each has its own seed."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fmq import paths
from fmq.data.manifest import check_dataset
from fmq.data.normalization import Normalizer, fit_normalizer
from fmq.data.transitions import load_transitions
from fmq.errors import UserError
from fmq.evaluation import Evaluator
from fmq.runs import Run
from fmq.training.clock import Clock
from fmq.training.scratch import Scratch


class Shared(NamedTuple):
    """Of the same run of one seed or of several.

    Attributes:
        results: folder that the study fills.
        scratch: the progress of all.
        device: where all are computed.
        data: folder of the data set.
        digests: the sha256 of each of its files.
        transitions: arrays of `fmq.data.transitions.Transitions`, on the device.
        normalizer: of its observations.
        evaluator: the simulators of evaluations.
        clock: of all, since they take turns.
    """

    results: Path
    scratch: Scratch
    device: torch.device
    data: Path
    digests: dict[str, str]
    transitions: dict[str, Tensor]
    normalizer: Normalizer
    evaluator: Evaluator
    clock: Clock


def share(run: Run, results: Path, scratch: Scratch, device: torch.device, seeds: int) -> Shared:
    """Load what a run of any seed needs, for as many `seeds`.

    Raises:
        UserError: the data set is missing, damaged or too small.
    """
    task = run.task
    data = paths.dataset_folder(results, task.dataset)
    manifest = check_dataset(data, task.dataset)
    found = load_transitions(data, task)
    if len(found.actions) < run.backup_length:
        raise UserError(
            f"{data}: {len(found.actions)} transitions are fewer than a chunk of "
            f"{run.backup_length}; make more data, or set a shorter chunk_length"
        )
    transitions = {
        name: torch.as_tensor(array, device=device) for name, array in vars(found).items()
    }
    return Shared(
        results,
        scratch,
        device,
        data,
        {name: entry["sha256"] for name, entry in manifest["files"].items()},
        transitions,
        fit_normalizer(transitions["observations"], run.study.networks.normalize_observations),
        Evaluator(run, results),
        Clock(seeds),
    )
