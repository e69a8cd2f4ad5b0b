"""Load networks and chunks of the data set for the measurements, in float64 on the CPU.

Differences of Q are small compared with Q itself, so float32 would show mostly rounding errors.
"""

from pathlib import Path

import torch

from fmq.acting.evaluation import learned_from, load_networks
from fmq.acting.policy import Networks
from fmq.base.errors import UserError
from fmq.config.datasets import training_file
from fmq.data.loading import load_transitions
from fmq.data.manifest import check_dataset
from fmq.data.normalization import Normalizer
from fmq.data.sequences import Batch, SequenceBuffer
from fmq.pipeline.data import refuse_other_data
from fmq.pipeline.paths import checkpoint_file, data_folder
from fmq.pipeline.runs import Run

CPU = torch.device("cpu")


def load_trained(run: Run, results: Path) -> Networks:
    """Load the networks of a run's last checkpoint, without gradients.

    Raises:
        UserError: the checkpoint is missing, has other settings, or learned from other data.
    """
    file = training_file(run.task.dataset)
    folder = data_folder(run, results)
    manifest = check_dataset(folder, run.task.dataset)
    refuse_other_data(run.study, run.task.dataset, manifest, folder)
    if learned_from(run, results).get(file) != manifest["files"][file]["sha256"]:
        path = checkpoint_file(run, results)
        raise UserError(f"{path}: learned from other data than {folder}; run it again")
    networks = load_networks(run, results, CPU)
    for network in (networks.actor, networks.critic):
        network.double().requires_grad_(False)
    normalizer = Normalizer(*(one.double() for one in networks.normalizer))
    return networks._replace(normalizer=normalizer)


def load_chunks(run: Run, results: Path) -> SequenceBuffer:
    """Load the data set that a run learned from as a buffer of chunks."""
    data = load_transitions(data_folder(run, results), run.task)
    tensors = {name: torch.as_tensor(array) for name, array in vars(data).items()}
    length = run.task.settings.chunk_length
    return SequenceBuffer(
        **tensors,
        capacity=0,
        horizon=length,
        discount=run.task.settings.discount,
        actions_per_chunk=length,
    )


def sample(
    chunks: SequenceBuffer, normalizer: Normalizer, count: int, generator: torch.Generator
) -> Batch:
    """Sample `count` chunks in float64 with normalised observations."""
    batch = Batch(*(one.double() for one in chunks.sample(count, generator)))
    return batch._replace(observations=normalizer(batch.observations))
