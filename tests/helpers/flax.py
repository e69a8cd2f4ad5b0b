"""Pickles as the paper's authors released them, without jax."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np


def layers(generator: np.random.Generator, sizes: list[int], *stack: int) -> dict[str, Any]:
    """A perceptron as flax names it, without norms."""
    return {
        f"Dense_{i}": {
            "kernel": generator.normal(size=(*stack, sizes[i], sizes[i + 1])).astype("f4"),
            "bias": generator.normal(size=(*stack, sizes[i + 1])).astype("f4"),
        }
        for i in range(len(sizes) - 1)
    }


def norms(*shape: int) -> dict[str, np.ndarray]:
    return {"scale": np.ones(shape, "f4"), "bias": np.zeros(shape, "f4")}


def write_agent(
    path: Path, seed: int, width: int = 16, observation: int = 2, action: int = 2, times: int = 1
) -> None:
    """Random networks for chunks of 5 actions, with raw flow times or features of each."""
    generator, hidden, chunk = np.random.default_rng(seed), [width, width], 5 * action
    inputs = observation + chunk
    critics = layers(generator, [inputs, *hidden, 1], 2)
    critics |= {f"LayerNorm_{i}": norms(2, width) for i in range(len(hidden))}
    flow = layers(generator, [inputs + 2 * times, *hidden, chunk])
    params = {"modules_actor_bc_flow": {"mlp": flow}, "modules_critic": {"value_net": critics}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({"agent": {"network": {"params": params}}}))
