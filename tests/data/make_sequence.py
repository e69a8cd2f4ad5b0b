"""Make `sequence.npz`: 60 consecutive updates in float64, written in JAX from docs/method.md.

JAX is no dependency of fmq. Install it, and numpy with it, in an environment of its own:

    python3 -m venv build/jax
    build/jax/bin/pip install jax==0.10.2 optax==0.2.8
    build/jax/bin/python tests/data/make_sequence.py

On one machine the file is the same to the byte each time; with other vector instructions numbers
differ by less than 1e-15 of an array's largest. Symbols are those of docs/method.md; a network is a
list of arrays, in the order that `helpers.sequence.first_weights` explains.
"""

import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/, of helpers

import jax
import jax.numpy as jnp
import numpy as np
import optax
from helpers import sequence
from helpers.sequence import ACTION, BATCH, FLOW_STEPS, HIDDEN, HORIZON, STEPS, TIME_FEATURES
from jax import Array
from jax.lax import stop_gradient

jax.config.update("jax_enable_x64", True)

Network = list[Array]
State = dict[str, Any]
Row = dict[str, Array]

FILE = Path(__file__).with_name("sequence.npz")
GUARD = 1e-8
ADAM = optax.adam(sequence.LEARNING_RATE)


def perceptron(network: Network, x: Array) -> Array:
    """Apply GELU after each hidden layer and then, if there are any gains, a layer norm."""
    pairs = list(zip(network[::2], network[1::2], strict=True))
    layers, norms = pairs[: len(HIDDEN) + 1], pairs[len(HIDDEN) + 1 :]
    for number, (weight, bias) in enumerate(layers[:-1]):
        x = jax.nn.gelu(x @ weight.T + bias, approximate=True)
        if norms:
            gain, shift = norms[number]
            centred = x - x.mean(-1, keepdims=True)
            variance = (centred**2).mean(-1, keepdims=True)
            x = centred / jnp.sqrt(variance + 1e-6) * gain + shift
    weight, bias = layers[-1]
    return x @ weight.T + bias


def features(time: Array) -> Array:
    half = TIME_FEATURES // 2
    angles = time * 10_000.0 ** (-jnp.arange(half) / (half - 1))
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], -1)


def velocity(actor: Network, s: Array, a: Array, r: Array, t: Array) -> Array:
    times = [jnp.broadcast_to(features(x), (*a.shape[:-1], TIME_FEATURES)) for x in (r, t)]
    return perceptron(actor, jnp.concatenate([s, a, *times], -1))


def value(critic: Network, s: Array, a: Array) -> Array:
    return perceptron(critic, jnp.concatenate([s, a], -1))[..., 0]


def values(critics: list[Network], s: Array, a: Array) -> Array:
    return jnp.stack([value(critic, s, a) for critic in critics])


def clip(chunk: Array) -> Array:
    return jnp.clip(chunk, -1, 1)


def masked_error(e: Array, valid: Array) -> Array:
    return (valid[..., None] * e.reshape(BATCH, HORIZON, ACTION) ** 2).mean()


def jump(actor: Network, s: Array, a0: Array) -> Array:
    zero = jnp.zeros(1)
    return clip(a0 + velocity(actor, s, a0, zero, zero + 1))


def euler(actor: Network, s: Array, a: Array) -> Array:
    for k in range(FLOW_STEPS):
        time = jnp.full(1, k / FLOW_STEPS)
        a = a + velocity(actor, s, a, time, time) / FLOW_STEPS
    return clip(a)


def diagonal(state: State, actor: Network, batch: Row, draws: Row, p: Array) -> tuple[Array, Row]:
    a0, a1, t = draws["noise"][0], batch["actions"], draws["times"][0]
    u = velocity(actor, batch["observations"], (1 - t) * a0 + t * a1, t, t)
    return masked_error(u - (a1 - a0), batch["valid"]), {}


def flow_map(state: State, actor: Network, batch: Row, draws: Row, p: Array) -> tuple[Array, Row]:
    """Return the diagonal loss plus ESD's."""
    matched, _ = diagonal(state, actor, batch, draws, p)
    a0, a1, (one, two) = draws["noise"][1], batch["actions"], draws["times"][1:3]
    middle, half = (one + two) / 2, p * jnp.abs(one - two) / 2
    r, t, v = middle - half, middle + half, a1 - a0
    u, derivative = jax.jvp(
        lambda r, t, a: velocity(actor, batch["observations"], a, r, t),
        (r, t, (1 - r) * a0 + r * a1),
        (jnp.ones_like(r), jnp.zeros_like(t), v),
    )
    esd = masked_error(u - stop_gradient(v + (t - r) * derivative), batch["valid"])
    return matched + esd, {"distillation_loss": esd}


def fmq(state: State, actor: Network, batch: Row, draws: Row, p: Array) -> tuple[Array, Row]:
    _, *critics = state["weights"]
    s, a0, a1, r = batch["observations"], draws["noise"][0], batch["actions"], draws["times"][0]
    a_r, end = (1 - r) * a0 + r * a1, jnp.ones_like(r)
    u_offline = velocity(state["offline"], s, a_r, r, end)
    chunk = clip(a_r + (1 - r) * u_offline)
    ascent = jax.grad(lambda a: value(critics[0], s, a).sum())(chunk)
    direction = ascent / (jnp.sqrt((ascent**2).sum(-1, keepdims=True)) + GUARD)
    one, two = values(critics, s, chunk)
    deviation = jnp.abs(one - two) / 2
    radius = sequence.ETA / (1 + sequence.BETA * deviation / (deviation.mean() + GUARD))
    target = stop_gradient(u_offline + radius[:, None] * direction)
    error = masked_error(velocity(actor, s, a_r, r, end) - target, batch["valid"])
    return error, {"eta_effective": radius.mean()}


STAGES: dict[str, tuple[Callable, Callable, Callable]] = {
    "warmup": (diagonal, euler, jnp.mean),
    "distill": (flow_map, jump, jnp.mean),
    "fmq": (fmq, jump, jnp.min),
    "mvp": (flow_map, jump, jnp.mean),
    "qc": (diagonal, euler, jnp.mean),
}
"""The policy's loss in each stage, its way from noise to chunks, and how it combines critics."""


def critic_target(state: State, batch: Row, noise: Array, stage: str) -> Array:
    _, propose, aggregate = STAGES[stage]
    actor, *critics = state["weights"]
    s = batch["next_observations"]
    repeated = jnp.repeat(s[:, None], noise.shape[1], 1)
    chunks = propose(actor, repeated, noise)
    best = aggregate(values(critics, repeated, chunks), 0).argmax(-1)
    next_value = aggregate(values(state["target"], s, chunks[jnp.arange(BATCH), best]), 0)
    return batch["rewards"] + sequence.DISCOUNT**HORIZON * batch["masks"] * next_value


@partial(jax.jit, static_argnames="stage")
def update(state: State, batch: Row, draws: Row, p: Array, stage: str) -> tuple[State, Row]:
    """Take one Adam step; the target critics move towards the critics from before it."""
    y = critic_target(state, batch, draws["candidates"], stage)

    def total(weights: list[Network]) -> tuple[Array, Row]:
        actor, *critics = weights
        q = values(critics, batch["observations"], batch["actions"])
        critic_loss = (batch["whole"] * (q - y) ** 2).mean()
        actor_loss, more = STAGES[stage][0](state, actor, batch, draws, p)
        losses = {"critic_loss": critic_loss, "actor_loss": actor_loss}
        return critic_loss + actor_loss, {**losses, **more, "q_mean": q.mean()}

    weights, target = state["weights"], state["target"]
    gradient, row = jax.grad(total, has_aux=True)(weights)
    norm = jnp.sqrt(sum((part**2).sum() for part in jax.tree.leaves(gradient)))
    change, adam = ADAM.update(gradient, state["adam"])
    rate = sequence.TARGET_RATE
    target = jax.tree.map(lambda old, new: old + rate * (new - old), target, weights[1:])
    weights = optax.apply_updates(weights, change)
    moved = {"weights": weights, "target": target, "adam": adam}
    return state | moved, row | {"gradient_norm": norm}


def run(state: State, seed: int, stage: str) -> tuple[State, dict[str, np.ndarray]]:
    """Return the state after a stage, and the numbers of each of its updates."""
    warmup, rows = STEPS["warmup"][-1], []
    for step in STEPS[stage]:
        p = np.clip((step - warmup) / (sequence.ANNEAL_END - warmup), 0, 1)
        state, row = update(state, *sequence.inputs(seed, step), p, stage)
        rows.append(row)
    return state, {name: np.array([row[name] for row in rows]) for name in rows[0]}


def vector(networks: Any) -> np.ndarray:
    return np.concatenate([np.ravel(array) for array in jax.tree.leaves(networks)])


def record(seed: int, branches: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the arrays of a seed: its offline stages, and each branch that goes on from them."""
    weights = sequence.first_weights(seed)
    state = {"weights": weights, "target": weights[1:], "adam": ADAM.init(weights)}
    state, found = state | {"offline": weights[0]}, {}
    for stage in ("warmup", "distill"):
        state, found[stage] = run(state, seed, stage)
    found["distill"]["weights"] = vector(state["weights"])
    state["offline"] = state["weights"][0]
    for branch in branches:
        last, found[branch] = run(state, seed, branch)
        found[branch]["weights"] = vector(last["weights"])
        if seed == 0:  # weights are enough for the second seed, and keep the file small
            moments = last["adam"][0]
            parts = {"target": last["target"], "average": moments.mu, "square": moments.nu}
            found[branch] |= {name: vector(part) for name, part in parts.items()}
    return {
        f"seed{seed}/{stage}/{name}": array
        for stage, arrays in found.items()
        for name, array in arrays.items()
    }


if __name__ == "__main__":
    recorded = {}
    for seed, branches in sequence.BRANCHES.items():
        recorded |= record(seed, branches)
    np.savez_compressed(FILE, **recorded)
    print(f"{FILE}: {len(recorded)} arrays, {FILE.stat().st_size} bytes")
