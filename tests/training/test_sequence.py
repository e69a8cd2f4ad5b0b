"""Sixty consecutive updates equal those of an independent implementation, in float64.

`tests/data/make_sequence.py` recorded them: warm-up, distillation, and then FMQ, MVP or QC online.
"""

from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import sequence
from helpers.sequence import BRANCHES, STEPS
from helpers.studies import changed

from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.data.normalization import Normalizer
from fmq.data.sequences import Batch
from fmq.methods.making import sampler_of
from fmq.pipeline.runs import make_run
from fmq.training.adam import Moments
from fmq.training.learner import Backup, Learner
from fmq.training.objective import Draws, Objective, objective_of
from fmq.training.updater import Updater
from fmq.training.vectors import Vectors

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "tests" / "data" / "sequence.npz"
TOLERANCE = 1e-12
RUNS = {"warmup": "pretrain-warmup", "distill": "distill-esd"}
CHANGES = {
    "networks": {
        "hidden_width": sequence.HIDDEN[0],
        "hidden_layers": len(sequence.HIDDEN),
        "activation": "gelu",
        "time_features": sequence.TIME_FEATURES,
    },
    "training": {
        "learning_rate": sequence.LEARNING_RATE,
        "target_rate": sequence.TARGET_RATE,
    },
    "offline": {
        "steps": STEPS["distill"][-1],
        "warmup_steps": STEPS["warmup"][-1],
        "anneal_end": sequence.ANNEAL_END,
    },
    "fmq": {"eta": sequence.ETA, "beta": sequence.BETA},
    "sampling": {"samples": sequence.SAMPLES, "flow_steps": sequence.FLOW_STEPS},
}


@pytest.fixture(scope="module")
def study() -> Study:
    return changed(load_study(ROOT / "config.yaml"), CHANGES)


def learner(study: Study, seed: int) -> Learner:
    """Return a learner in float64 with a seed's first weights, which draws its recorded noise."""
    zero = torch.zeros(sequence.OBS, dtype=torch.float64)
    made = Learner(
        study.networks,
        Backup(sequence.DISCOUNT, sequence.HORIZON),
        Normalizer(zero, zero + 1),
        sequence.CHUNK,
        init_seed=0,
        noise_seed=0,
    )
    actor, *critics = (
        torch.cat([torch.from_numpy(array).flatten() for array in network])
        for network in sequence.first_weights(seed)
    )
    weights, target = torch.cat([actor, *critics]), torch.cat(critics)
    zeros = torch.zeros_like(weights)
    moments = Moments(zeros, zeros.clone(), made.vectors.moments.steps)
    made.live_in(Vectors(weights, target, actor.clone(), moments))
    steps = count(1)

    def draw(batch: int, objective: Objective) -> Draws:
        _, draws = sequence.inputs(seed, next(steps))
        candidates, noise, times = map(torch.from_numpy, draws.values())
        loss = objective.actor_loss
        return Draws(candidates, noise[: loss.noises], times[: loss.times])

    made.draw = draw  # type: ignore[method-assign]
    return made


def objective(study: Study, stage: str) -> Objective:
    run = make_run(study, study.tasks[0], 0, RUNS.get(stage, f"finetune-{stage}"))
    return objective_of(run, sampler_of(run, run.sampler))


def batch(seed: int, step: int) -> Batch:
    arrays, _ = sequence.inputs(seed, step)
    return Batch(**{name: torch.from_numpy(array) for name, array in arrays.items()})


def updated(
    both: list[tuple[int, Learner]], aim: Objective, steps: Iterable[int], compile: bool = False
) -> list[tuple[dict[str, float], ...]]:
    """Return the metrics of each learner, with its seed, from joint updates."""
    updater = Updater([one for _, one in both], aim, compile)
    rows = [
        updater.update([batch(seed, step) for seed, _ in both], step, measure=True)
        for step in steps
    ]
    return list(zip(*rows, strict=True))


def follow(
    study: Study, seeds: Sequence[int], branch: str, compile: bool = False
) -> dict[str, np.ndarray]:
    """Return what the recording of these sequences holds, and more, from updates of our own."""
    learners, found = [learner(study, seed) for seed in seeds], {}
    for stage in ("warmup", "distill", branch):
        if stage == branch:
            for one in learners:
                one.anchor()
        aim, both = objective(study, stage), list(zip(seeds, learners, strict=True))
        if compile and stage != branch:
            # Alone, which is quick: the case that does not compile trains both jointly, and
            # test_compiling.py compiles these stages.
            rows = [metrics for one in both for metrics in updated([one], aim, STEPS[stage])]
        else:
            rows = updated(both, aim, STEPS[stage], compile)
        for (seed, one), metrics in zip(both, rows, strict=True):
            arrays = {name: np.array([row[name] for row in metrics]) for name in metrics[0]}
            weights, target, _, (average, square, _) = one.vectors
            vectors = {"weights": weights, "target": target, "average": average, "square": square}
            arrays |= {name: vector.numpy().copy() for name, vector in vectors.items()}
            found |= {f"seed{seed}/{stage}/{name}": array for name, array in arrays.items()}
    return found


CASES = [
    *(pytest.param(branch, [0], False, id=branch) for branch in BRANCHES[0]),
    pytest.param("fmq", [0, 1], False, id="fmq-stacked"),
    pytest.param("fmq", [0, 1], True, id="fmq-stacked-compiled", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("branch", "seeds", "compile"), CASES)
def test_sixty_updates_are_those_recorded(
    study: Study, branch: str, seeds: Sequence[int], compile: bool
) -> None:
    recorded, found = np.load(RECORDING), follow(study, seeds, branch, compile)
    stages = [f"seed{seed}/{stage}/" for seed in seeds for stage in ("warmup", "distill", branch)]
    names = [name for name in recorded if name.startswith(tuple(stages))]
    assert {name.rpartition("/")[0] + "/" for name in names} == {*stages}
    errors = {name: error(found[name], recorded[name]) for name in names}
    assert not {name: size for name, size in errors.items() if not size < TOLERANCE}


def error(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest error of an array, relative to its largest number."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())
