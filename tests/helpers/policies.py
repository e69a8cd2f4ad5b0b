"""A policy folder of small random networks: made at once, with nothing trained."""

from pathlib import Path
from typing import Any

import torch

from fmq.acting.policy import Networks, make_networks
from fmq.config.reading import load_study
from fmq.config.samplers import SAMPLERS
from fmq.data.normalization import Normalizer
from fmq.export.card import Card
from fmq.export.exporting import code_and_packages, write_policy

ROOT = Path(__file__).parents[2]
TASK = "pointmaze-medium-navigate-singletask-task4-v0"
SIZES = 2, 10


def small_policy(folder: Path, limit: int = 20, **values: Any) -> Card:
    """Write the policy, for episodes of `limit` steps; `values` replace those of its card."""
    study = load_study(ROOT / "config.yaml", ROOT / "config" / "smoke.yaml")
    task = study.task(study.tasks[0]).settings.model_copy(update={"episode_limit": limit})
    settings = study.networks.model_copy(update={"hidden_width": 16, "hidden_layers": 2})
    actor, critic = make_networks(*SIZES, settings, torch.Generator().manual_seed(0))
    statistics = Normalizer(torch.zeros(SIZES[0]), torch.ones(SIZES[0]))
    made = {"commit": {"sha1": "1f" * 20, "dirty": True}, "packages": {"torch": torch.__version__}}
    known = {
        "task": TASK,
        "task_settings": task.model_dump(),
        "run": "finetune-fmq",
        "method": "fmq",
        "seed": 3,
        "settings": "0123456789abcdef",
        "sampler": "best_of_n",
        "samplers": [*SAMPLERS],
        "critic_target": "min",
        "networks": settings.model_dump(),
        "sampling": study.sampling.model_dump(),
        "scores": {
            "best_of_n": score(25, 0.88, -61.4),
            "qgbs": score(25, 1.0, -48.0),
        },
        "dataset": {
            "name": "pointmaze-medium-navigate-v0",
            "source": "scripted",
            "files": {"pointmaze-medium-navigate-v0.npz": "ab" * 32},
        },
        "made_by": {"run": made, "export": code_and_packages()},
    }
    return write_policy(folder, Networks(actor, critic, statistics, SIZES[1]), known | values)


def score(episodes: int, success: float, mean_return: float) -> dict[str, float]:
    """One entry of `scores`."""
    means = {"mean_return": mean_return, "mean_length": -mean_return}
    return {"episodes": episodes, "success": success, **means}
