"""A small learner for tests, its objectives and its batches."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fmq.config.reading import load_study
from fmq.config.samplers import sampler_numbers
from fmq.config.study import Study
from fmq.config.tasks import TaskSettings
from fmq.data.normalization import Normalizer
from fmq.data.sequences import Batch, SequenceBuffer
from fmq.methods import fmq, mvp, qc, qc_fql
from fmq.methods.losses import ActorLoss
from fmq.methods.samplers import make_sampler
from fmq.pipeline.bindings import Curriculum
from fmq.training.learner import Backup, Learner
from fmq.training.objective import Objective

OBS, ACTION, HORIZON, BATCH = 4, 2, 3, 16
TASK = TaskSettings(chunk_length=HORIZON, discount=0.9)
NORMALIZER = Normalizer(torch.full((OBS,), 2.0), torch.full((OBS,), 3.0))
STEP = 3000  # in the middle of the default curriculum, so that distillation has intervals


def small_study(distillation: str = "esd") -> Study:
    study = load_study(Path(__file__).parents[2] / "config.yaml")
    networks = study.networks.model_copy(update={"hidden_width": 16})
    offline = study.offline.model_copy(update={"distillation": distillation})
    return study.model_copy(update={"networks": networks, "offline": offline})


STUDY = small_study()


def make_learner(
    study: Study = STUDY, init: int = 0, noise: int = 1, normalizer: Normalizer = NORMALIZER
) -> Learner:
    learner = Learner(
        study.networks,
        Backup(TASK.discount, HORIZON),
        normalizer,
        HORIZON * ACTION,
        init_seed=init,
        noise_seed=noise,
        selection=study.training.selection,
    )
    learner.study = study  # for `objective`
    return learner


def actor_loss(name: str, study: Study = STUDY) -> ActorLoss:
    """A loss of fmq's, bound to the numbers of a study."""
    if name == "diagonal":
        return qc.actor_loss()
    if name == "flow_map":
        return mvp.actor_loss(distillation=study.offline.distillation)
    if name == "fql":
        return qc_fql.actor_loss(flow_steps=study.sampling.flow_steps, alpha=TASK.fql_alpha)
    return fmq.actor_loss(**study.fmq.model_dump())


def objective(loss: str | ActorLoss, learner: Learner, **changes: Any) -> Objective:
    """What a run of the learner's study minimises, but for `changes`."""
    study = learner.study
    numbers = sampler_numbers("best_of_n", study.sampling)
    made = Objective(
        actor_loss(loss, study) if isinstance(loss, str) else loss,
        make_sampler("best_of_n", "min", **numbers),
        "min",
        study.training,
        identity=f"{loss} {study.fmq} {study.offline} {study.sampling}",
        curriculum=Curriculum(**study.offline.model_dump(include={*Curriculum.model_fields})),
    )
    return made._replace(**changes)


def assert_near(found: Tensor, expected: Tensor, share: float) -> None:
    """Assert that two vectors are less than `share` of their length apart.

    So are gradients of which rounding differs, and Adam's averages of them. Weights need not be:
    Adam's first steps are the gradient's signs, which are rounding where it is nearly 0.
    """
    assert expected.norm() > 0
    assert (found - expected).norm() < share * expected.norm()


def random_batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return Batch(
        observations=2 + 3 * normal(BATCH, OBS),
        actions=normal(BATCH, HORIZON * ACTION).tanh(),
        rewards=normal(BATCH),
        masks=(torch.arange(BATCH) % 2).float(),
        valid=torch.ones(BATCH, HORIZON),
        whole=torch.ones(BATCH),
        next_observations=2 + 3 * normal(BATCH, OBS),
    )


def make_buffer(device: str = "cpu", transitions: int = 200) -> SequenceBuffer:
    """A buffer of random transitions, whose batches have the strides that runs see."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.arange(transitions)
    data = {
        "observations": 2 + 3 * torch.randn(transitions + 1, OBS, generator=generator),
        "actions": torch.randn(transitions, ACTION, generator=generator).tanh(),
        "rewards": torch.randn(transitions, generator=generator),
        "masks": (rows % 7 > 0).float(),
        "terminals": rows % 50 == 49,
        "rows": rows,
        "next_rows": rows + 1,
    }
    there = {name: numbers.to(device) for name, numbers in data.items()}
    return SequenceBuffer(**there, capacity=0, horizon=HORIZON, discount=TASK.discount)
