"""Where in a tree of flax parameters the velocity network and the critics are.

The files that the authors of the paper released are the state of a flax agent:

    agent/network/params/modules_actor_bc_flow/mlp/Dense_0 .. Dense_4    the velocity network
    agent/network/params/modules_critic/value_net/Dense_i, LayerNorm_i   the critics
    agent/network/params/modules_target_critic                           their moving average
    agent/network/opt_state/...                                          Adam's moments
    agent/frozen_actor_params/mlp                                        the offline policy

A kernel is (in, out), and (2, in, out) in the critics, which flax's vmap stacks. Names of modules
have changed between versions, so a network is known by what it is made of: the critics are a stack
of two with one output and a layer norm behind each hidden layer; the velocity network has no norm,
and takes what the critics take and two flow times. A copy is known by its name.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fmq.ensemble import CRITICS
from fmq.errors import UserError
from fmq.messages import one_line

_COPIES = {"target", "frozen", "ema"}  # words in the names of networks that are not the last ones
_OPTIMIZER = {"opt_state", "mu", "nu"}
_NUMBERED = re.compile(r"(.*?)_?(\d{1,3})", re.DOTALL)

Layer = tuple[np.ndarray, np.ndarray]


class Perceptron(NamedTuple):
    """Layers that stand together in the tree, in their order.

    Attributes:
        path: of the group, with slashes.
        layers: kernel (..., in, out) and bias (..., out) of each.
        norms: scale and bias, (..., width) each, of each layer norm.
    """

    path: str
    layers: list[Layer]
    norms: list[Layer]

    @property
    def sizes(self) -> list[int]:
        """Inputs, units of each hidden layer, outputs."""
        return [self.layers[0][0].shape[-2], *(bias.shape[-1] for _, bias in self.layers)]


class Found(NamedTuple):
    """The networks of a policy, and the paths of perceptrons that are none of them."""

    actor: Perceptron
    critics: Perceptron
    unused: list[str]


def find_networks(tree: Any, time_features: int) -> Found:
    """The velocity network and the critics in a tree of parameters.

    Args:
        time_features: that the velocity network takes of each flow time; 0 is the raw time.

    Raises:
        UserError: one of them is not there or is there several times; it says what was found.
    """
    everything = list(perceptrons(tree))
    networks = [one for one in everything if not _is_copy(one.path)]
    critics = _only("critics", [one for one in networks if _is_critics(one)], everything)
    inputs = critics.sizes[0] + 2 * (time_features or 1)
    wanted = f"velocity network with {inputs} inputs (the critics' {critics.sizes[0]} and two times"
    wanted += f" of {time_features or 1})"
    fitting = [one for one in networks if _is_velocity(one) and one.sizes[0] == inputs]
    actor = _only(wanted, fitting, everything)
    used = {actor.path, critics.path}
    return Found(actor, critics, [one.path for one in everything if one.path not in used])


def perceptrons(tree: Any, path: tuple[str, ...] = ()) -> Iterator[Perceptron]:
    """Every group of numbered dense layers in a tree, the optimiser's copies left out."""
    if not isinstance(tree, dict) or _OPTIMIZER & set(path):
        return
    layers = _numbered(tree, "kernel", "bias")
    if layers and _fits_together(layers):
        yield Perceptron("/".join(path), layers, _numbered(tree, "scale", "bias"))
    for name, child in tree.items():
        yield from perceptrons(child, (*path, str(name)))


def _numbered(group: dict[Any, Any], *names: str) -> list[Layer]:
    """The children with just these arrays, by their number; none if a number is missing or twice.

    One that has no number is not one of a row of layers.
    """
    found = {}
    for name, child in group.items():
        match = _NUMBERED.fullmatch(str(name))
        if match and isinstance(child, dict) and set(child) == set(names):
            arrays = tuple(child[key] for key in names)
            if int(match[2]) in found or not all(_is_weights(array) for array in arrays):
                return []
            found[int(match[2])] = arrays
    return (
        [found[number] for number in sorted(found)] if set(found) == set(range(len(found))) else []
    )


def _is_weights(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 0


def _fits_together(layers: list[Layer]) -> bool:
    """Whether each layer's outputs are the next one's inputs, in all of a stack."""
    stack = layers[0][0].shape[:-2]
    if any(kernel.ndim != len(stack) + 2 or len(stack) > 1 for kernel, _ in layers):
        return False
    outputs = [layers[0][0].shape[-2], *(kernel.shape[-1] for kernel, _ in layers)]
    return all(
        kernel.shape == (*stack, inputs, units) and bias.shape == (*stack, units)
        for (kernel, bias), inputs, units in zip(layers, outputs, outputs[1:], strict=False)
    )


def _is_critics(one: Perceptron) -> bool:
    stacked = one.layers[0][0].shape[:-2] == (CRITICS,)
    widths = [(CRITICS, width) for width in one.sizes[1:-1]]
    normed = [array.shape for norm in one.norms for array in norm] == [
        width for width in widths for _ in range(2)
    ]
    return stacked and normed and one.sizes[-1] == 1


def _is_velocity(one: Perceptron) -> bool:
    return one.layers[0][0].ndim == 2 and not one.norms


def _is_copy(path: str) -> bool:
    return bool(_COPIES & {word for part in path.split("/") for word in part.split("_")})


def _only(what: str, some: list[Perceptron], everything: list[Perceptron]) -> Perceptron:
    if len(some) == 1:
        return some[0]
    if some:
        paths = ", ".join(one.path for one in some)
        raise UserError(f"more than one {what}: {one_line(paths, 300)}; keep one of them")
    listed = ", ".join(f"{one.path} {_shape(one)}" for one in everything) or "no perceptron at all"
    raise UserError(f"no {what}; found {one_line(listed, 400)}; give the settings of this file")


def _shape(one: Perceptron) -> str:
    stack = "".join(f"{size} of " for size in one.layers[0][0].shape[:-2])
    return f"({stack}{'-'.join(map(str, one.sizes))}{', layer norms' if one.norms else ''})"


def describe(one: Perceptron) -> str:
    """Where it is, and its sizes, for people."""
    return f"{one_line(one.path, 200)} {_shape(one)}"
