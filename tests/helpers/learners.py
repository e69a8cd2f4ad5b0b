"""A small learner for tests, its objectives and its batches."""

from pathlib import Path

import torch
from torch import Tensor

from fmq.configuration import load_study
from fmq.data.normalization import Normalizer
from fmq.data.sequences import Batch
from fmq.policy import make_sampler
from fmq.settings import Study
from fmq.tasks import TaskSettings
from fmq.training.actor_losses import ACTOR_LOSSES
from fmq.training.learner import Learner
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


def make_learner(study: Study = STUDY, init: int = 0, noise: int = 1) -> Learner:
    return Learner(study, TASK, NORMALIZER, ACTION, init_seed=init, noise_seed=noise)


def objective(loss: str, learner: Learner) -> Objective:
    sampler = make_sampler("best_of_n", learner.study.sampling, "min")
    return Objective(ACTOR_LOSSES[loss], sampler, "min")


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
