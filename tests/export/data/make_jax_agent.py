"""Makes jax_agent.pkl and jax_values.npz beside itself; needs jax, which the tests do not.

The pickle has the layout of the state of the authors' FMQ agent, with small random networks:
observations of 3 numbers, chunks of 5 actions of 2, two hidden layers of 8, 4 features of a time.
The values are what networks of these parameters give, in plain jax.
"""

import pickle
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

OBSERVATION, CHUNK, WIDTH, FEATURES, ROWS = 3, 10, 8, 4, 7
HERE = Path(__file__).parent
random = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(0.5 * random.standard_normal(shape), jnp.float32)


def perceptron(inputs, outputs, stack=(), norms=False):
    sizes = [inputs, WIDTH, WIDTH, outputs]
    group = {
        f"Dense_{i}": {
            "kernel": normal(*stack, sizes[i], sizes[i + 1]),
            "bias": normal(*stack, sizes[i + 1]),
        }
        for i in range(3)
    }
    if norms:
        for i in range(2):
            group[f"LayerNorm_{i}"] = {
                "scale": 1 + normal(*stack, WIDTH),
                "bias": normal(*stack, WIDTH),
            }
    return group


def apply(group, x, norms=False):
    for i in range(3):
        x = x @ group[f"Dense_{i}"]["kernel"] + group[f"Dense_{i}"]["bias"]
        if i < 2:
            x = jax.nn.gelu(x, approximate=True)
            if norms:
                mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
                norm = group[f"LayerNorm_{i}"]
                x = (x - mean) / jnp.sqrt(variance + 1e-6) * norm["scale"] + norm["bias"]
    return x


def features(time):
    half = FEATURES // 2
    angles = time * jnp.exp(-jnp.log(10000) / (half - 1) * jnp.arange(half))
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], -1)


def actor():
    return {"mlp": perceptron(OBSERVATION + CHUNK + 2 * FEATURES, CHUNK)}


def critic():
    return {"value_net": perceptron(OBSERVATION + CHUNK, 1, (2,), norms=True)}


params = {
    "modules_actor_bc_flow": actor(),
    "modules_critic": critic(),
    "modules_target_critic": critic(),
}
moments = {name: jax.tree_util.tree_map(jnp.zeros_like, params) for name in ("mu", "nu")}
agent = {
    "rng": jax.random.PRNGKey(0),
    "network": {
        "step": jnp.int32(11),
        "params": params,
        "opt_state": {"0": {"count": jnp.int32(10), **moments}, "1": {}},
    },
    "frozen_actor_params": actor(),
    "log_alpha": jnp.zeros(()),
}
(HERE / "jax_agent.pkl").write_bytes(pickle.dumps({"agent": agent}))

observations, chunks = normal(ROWS, OBSERVATION), normal(ROWS, CHUNK)
r = jnp.linspace(0, 0.5, ROWS)[:, None]
t = jnp.linspace(0.5, 1, ROWS)[:, None]
velocity_inputs = jnp.concatenate([observations, chunks, features(r), features(t)], -1)
critic_inputs = jnp.concatenate([observations, chunks], -1)
groups = [
    jax.tree_util.tree_map(lambda a, k=k: a[k], params["modules_critic"]["value_net"])
    for k in (0, 1)
]
np.savez(
    HERE / "jax_values.npz",
    observations=observations,
    chunks=chunks,
    r=r,
    t=t,
    velocity=apply(params["modules_actor_bc_flow"]["mlp"], velocity_inputs),
    values=np.stack([apply(group, critic_inputs, norms=True)[:, 0] for group in groups]),
)
