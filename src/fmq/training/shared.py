"""The objects that the runs of one process share, whatever their seeds."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fmq.acting.evaluation import Evaluator
from fmq.base.errors import UserError
from fmq.data.loading import load_transitions
from fmq.data.manifest import check_dataset
from fmq.data.normalization import Normalizer, fit_normalizer
from fmq.pipeline.data import refuse_other_data
from fmq.pipeline.paths import data_folder
from fmq.pipeline.runs import Run
from fmq.training.clock import Clock
from fmq.training.scratch import Scratch


class Shared(NamedTuple):
    """The objects that the seeds of a run share in one process.

    Attributes:
        results: results folder of the study.
        scratch: the progress of all runs.
        device: device of all computations.
        data: folder of the data set.
        digests: sha256 of each file of the data set.
        transitions: arrays of `fmq.data.transitions.Transitions`, on the device.
        normalizer: normalizer of the observations.
        evaluator: the simulators for evaluations.
        clock: the clock of all runs, since they take turns.
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
    """Load what a run of any seed needs, for a process that trains `seeds` seeds.

    Raises:
        UserError: the data set is missing, damaged or too small.
    """
    task, horizon = run.task, run.bound.simulation.backup_length
    data = data_folder(run, results)
    manifest = check_dataset(data, task.dataset)
    refuse_other_data(run.study, task.dataset, manifest, data)
    found = load_transitions(data, task)
    if len(found.actions) < horizon:
        raise UserError(
            f"{data}: {len(found.actions)} transitions are fewer than a chunk of "
            f"{horizon}; generate more data, or set a shorter chunk_length"
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
        fit_normalizer(transitions["observations"], run.bound.networks.normalize_observations),
        Evaluator(run, results),
        Clock(seeds),
    )
