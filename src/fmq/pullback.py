"""Perceptrons backwards, from their outputs to their inputs, as guidance by a critic wants it."""

from collections.abc import Callable, Sequence
from itertools import zip_longest

import torch
from torch import Tensor
from torch.nn import functional

from fmq.fused import product
from fmq.perceptron import ACTIVATIONS, LAYER_NORM_EPSILON, TANGENTS, Pairs


@torch.no_grad()
def pullback(
    x: Tensor, layers: Pairs, norms: Pairs, activation: str, transposed: Sequence[Tensor]
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """`forward`, and the function that carries cotangents of its outputs back to its inputs.

    No gradient of the weights is computed, which is what makes it faster than autograd.

    Args:
        layers: as for `forward`, or what `fused.prepare` made of them.
        transposed: the weights of `layers`, (in, out) each, or prepared ones.
    """
    tape = []
    for layer, norm in zip_longest(layers[:-1], norms):
        before = product(x, *layer)
        x = activated = ACTIVATIONS[activation](before)
        scale = None
        if norm is not None:
            gain, shift = norm
            x, *scale = torch.native_layer_norm(x, gain.shape, gain, shift, LAYER_NORM_EPSILON)
            scale.append(gain)
        tape.append((before, activated, scale))

    @torch.no_grad()
    def pull(cotangents: Tensor) -> Tensor:
        *hidden, last = transposed
        cotangents = functional.linear(cotangents, last)
        for weight, (before, activated, scale) in zip(
            reversed(hidden), reversed(tape), strict=True
        ):
            if scale is not None:
                cotangents = _layer_norm_backward(cotangents, activated, *scale)
            cotangents = product(TANGENTS[activation](before, cotangents), weight)
        return cotangents

    return functional.linear(x, *layers[-1]), pull


def _layer_norm_backward(
    cotangents: Tensor, x: Tensor, mean: Tensor, inverse_deviation: Tensor, gain: Tensor
) -> Tensor:
    """Of layer norm in its inputs alone."""
    backward, wanted = torch.ops.aten.native_layer_norm_backward, [True, False, False]
    return backward(cotangents, x, gain.shape, mean, inverse_deviation, gain, None, wanted)[0]
