"""The inputs of `tests/data/sequence.npz`, a recording of 60 consecutive updates.

The program that made the recording and the test that repeats it make their inputs here, so neither
JAX nor torch is imported. `RandomState` draws the same numbers in every version of numpy.
"""

from itertools import pairwise

import numpy as np

Arrays = dict[str, np.ndarray]

OBS, ACTION, HORIZON, BATCH, SAMPLES = 4, 2, 3, 16, 4
HIDDEN, TIME_FEATURES = (32, 32), 8
CHUNK = HORIZON * ACTION
DISCOUNT, LEARNING_RATE, TARGET_RATE = 0.99, 3e-4, 0.005
FLOW_STEPS, ETA, BETA = 5, 0.7, 0.3
ANNEAL_END = 30
STEPS = {
    "warmup": range(1, 16),
    "distill": range(16, 41),
    **dict.fromkeys(("fmq", "mvp", "qc"), range(41, 61)),
}
"""The gradient steps of each stage; of the online ones, each goes on from distillation."""
BRANCHES = {0: ("fmq", "mvp", "qc"), 1: ("fmq",)}
"""The recorded seeds, and the online stages recorded of each."""


def first_weights(seed: int) -> list[list[np.ndarray]]:
    """Return the arrays of the policy and of each critic, in torch's order.

    These are each layer's weight (out, in) and bias, then each layer norm's gain and shift.
    """
    random = np.random.RandomState([seed, 0])

    def network(*sizes: int, norms: bool) -> list[np.ndarray]:
        arrays = []
        for size, width in pairwise(sizes):
            limit = (6 / (size + width)) ** 0.5
            arrays += [random.uniform(-limit, limit, (width, size)), random.normal(0, 0.1, width)]
        for width in HIDDEN if norms else ():
            arrays += [random.normal(1, 0.1, width), random.normal(0, 0.1, width)]
        return arrays

    actor = network(OBS + CHUNK + 2 * TIME_FEATURES, *HIDDEN, CHUNK, norms=False)
    return [actor, *(network(OBS + CHUNK, *HIDDEN, 1, norms=True) for _ in range(2))]


def inputs(seed: int, step: int) -> tuple[Arrays, Arrays]:
    """Return the batch of a gradient step, and its noise and times.

    Noise and times suffice for every loss: the diagonal's and FMQ's are the first ones, those of
    self-distillation are the second noise and the second and third time.
    """
    random = np.random.RandomState([seed, step])
    valid = np.arange(HORIZON) < random.randint(1, 2 * HORIZON, (BATCH, 1))
    batch = {
        "observations": random.normal(size=(BATCH, OBS)),
        "actions": random.uniform(-1, 1, (BATCH, CHUNK)),
        "rewards": -random.uniform(0, HORIZON, BATCH),
        "masks": random.randint(0, 2, BATCH).astype(float),
        "valid": valid.astype(float),
        "whole": valid[:, -1].astype(float),
        "next_observations": random.normal(size=(BATCH, OBS)),
    }
    draws = {
        "candidates": random.normal(size=(BATCH, SAMPLES, CHUNK)),
        "noise": random.normal(size=(3, BATCH, CHUNK)),
        "times": random.uniform(size=(4, BATCH, 1)),
    }
    return batch, draws
