"""Find the velocity network and the critics in a tree of flax parameters.

The files that the authors of the paper released hold the state of a flax agent:

    agent/network/params/modules_actor_bc_flow/mlp/Dense_0 .. Dense_4    the velocity network
    agent/network/params/modules_critic/value_net/Dense_i, LayerNorm_i   the critics
    agent/network/params/modules_target_critic                           their moving average
    agent/network/opt_state/...                                          Adam's moments
    agent/frozen_actor_params/mlp                                        the offline policy

A kernel has shape (in, out), and (2, in, out) in the critics, which flax's vmap stacks. Names of
modules changed between versions, so networks are recognised by their structure: the critics are a
stack of two with one output and a layer norm after each hidden layer; the velocity network has no
norm, and its inputs are those of the critics and two flow times. Copies are recognised by name.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fmq.base.errors import UserError
from fmq.base.messages import one_line
from fmq.networks.ensemble import CRITICS

_COPIES = {"target", "frozen", "ema"}  # words in the names of networks other than the current ones
_OPTIMIZER = {"opt_state", "mu", "nu"}
_NUMBERED = re.compile(r"(.*?)_?(\d{1,3})", re.DOTALL)

Layer = tuple[np.ndarray, np.ndarray]


class Perceptron(NamedTuple):
    """The numbered layers of one group in the tree, in order.

    Attributes:
        path: the path of the group, with slashes.
        layers: kernel (..., in, out) and bias (..., out) of each layer.
        norms: scale (..., width) and bias (..., width) of each layer norm.
    """

    path: str
    layers: list[Layer]
    norms: list[Layer]

    @property
    def finite(self) -> bool:
        """Return whether all weights are finite."""
        return all(np.isfinite(array).all() for pair in self.layers + self.norms for array in pair)

    @property
    def sizes(self) -> list[int]:
        """Return the numbers of inputs, of units in each hidden layer, and of outputs."""
        return [self.layers[0][0].shape[-2], *(bias.shape[-1] for _, bias in self.layers)]


class Found(NamedTuple):
    """The networks of a policy, and the paths of all other perceptrons."""

    actor: Perceptron
    critics: Perceptron
    unused: list[str]


def find_networks(tree: Any, time_features: int) -> Found:
    """Find the velocity network and the critics in a tree of parameters.

    Args:
        tree: nested dictionaries of arrays.
        time_features: number of features of each flow time in the velocity network's input; 0
            means the raw time.

    Raises:
        UserError: one of them is missing or ambiguous; the message lists what was found.
    """
    everything, networks, critics = _sorted(tree)
    inputs = critics.sizes[0] + 2 * (time_features or 1)
    wanted = f"velocity network with {inputs} inputs (the critics' {critics.sizes[0]} and two times"
    wanted += f" of {time_features or 1})"
    fitting = [one for one in networks if _is_velocity(one) and one.sizes[0] == inputs]
    actor = _only(wanted, fitting, everything)
    used = {actor.path, critics.path}
    return Found(actor, critics, [one.path for one in everything if one.path not in used])


def check_layout(tree: Any) -> None:
    """Check that a tree may be that of an agent, whatever the settings of its networks.

    Raises:
        UserError: it has no critics, no network that may be their policy, or weights that are not
            finite.
    """
    everything, networks, critics = _sorted(tree)
    larger = [one for one in networks if _is_velocity(one) and one.sizes[0] > critics.sizes[0]]
    _only("velocity network", larger, everything)
    for one in everything:
        if not one.finite:
            raise UserError(f"{describe(one)} has numbers that are not finite; download it again")


def _sorted(tree: Any) -> tuple[list[Perceptron], list[Perceptron], Perceptron]:
    """Return all perceptrons of a tree, those that are no copies, and the critics."""
    everything = list(perceptrons(tree))
    networks = [one for one in everything if not _is_copy(one.path)]
    critics = _only("critics", [one for one in networks if _is_critics(one)], everything)
    return everything, networks, critics


def perceptrons(tree: Any, path: tuple[str, ...] = ()) -> Iterator[Perceptron]:
    """Yield every group of numbered dense layers in a tree, except the optimiser's state."""
    if not isinstance(tree, dict) or _OPTIMIZER & set(path):
        return
    layers = _numbered(tree, "kernel", "bias")
    if layers and _fits_together(layers):
        yield Perceptron("/".join(path), layers, _numbered(tree, "scale", "bias"))
    for name, child in tree.items():
        yield from perceptrons(child, (*path, str(name)))


def _numbered(group: dict[Any, Any], *names: str) -> list[Layer]:
    """Return the children with exactly these arrays, ordered by the number in their names.

    Children without a number are skipped. If a number is missing or repeated, return nothing.
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
    """Return whether each layer's output size is the next one's input size, across the stack."""
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
    raise UserError(
        f"no {what}; found {one_line(listed, 400)}; a file of the "
        "released code has a policy and critics, each one perceptron"
    )


def _shape(one: Perceptron) -> str:
    stack = "".join(f"{size} of " for size in one.layers[0][0].shape[:-2])
    return f"({stack}{'-'.join(map(str, one.sizes))}{', layer norms' if one.norms else ''})"


def describe(one: Perceptron) -> str:
    """Describe a perceptron by its path and sizes, for messages."""
    return f"{one_line(one.path, 200)} {_shape(one)}"
