"""Perceptrons backwards, from their outputs to their inputs, as guidance by a critic wants it."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from fmq.fused import product
from fmq.perceptron import ACTIVATIONS, LAYER_NORM_EPSILON, TANGENTS, Pairs, output


class Pull(Protocol):
    """Carries cotangents of a perceptron's outputs back to its inputs."""

    def __call__(self, cotangents: Tensor, rows: Tensor | None = None) -> Tensor:
        """Cotangents of the inputs (..., in) from those of the outputs (..., out).

        Args:
            rows: the pullback at these rows alone, shape (n,), counted through all leading axes;
                cotangents are then (n, out).
        """


@torch.no_grad()
def pullback(
    x: Tensor, layers: Pairs, norms: Pairs, activation: str, transposed: Sequence[Tensor]
) -> tuple[Tensor, Pull]:
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
        moments: list[Tensor] = []
        if norm is not None:
            gain, shift = norm
            x, *moments = torch.native_layer_norm(x, gain.shape, gain, shift, LAYER_NORM_EPSILON)
        tape.append([before, activated, *moments])

    @torch.no_grad()
    def pull(cotangents: Tensor, rows: Tensor | None = None) -> Tensor:
        *hidden, last = transposed
        cotangents = functional.linear(cotangents, last.to(cotangents.dtype)).to(last.dtype)
        for weight, norm, record in zip_longest(reversed(hidden), reversed(norms), reversed(tape)):
            if rows is not None:
                record = [one.flatten(0, -2).index_select(0, rows) for one in record]
            before, activated, *moments = record
            if norm is not None:
                mean, inverse_deviation = moments
                cotangents = _layer_norm_backward(
                    cotangents, activated, mean, inverse_deviation, norm[0]
                )
            cotangents = product(TANGENTS[activation](before, cotangents), weight)
        return cotangents

    return output(x, layers[-1]), pull


def _layer_norm_backward(
    cotangents: Tensor, x: Tensor, mean: Tensor, inverse_deviation: Tensor, gain: Tensor
) -> Tensor:
    """Of layer norm in its inputs alone."""
    backward, wanted = torch.ops.aten.native_layer_norm_backward, [True, False, False]
    return backward(cotangents, x, gain.shape, mean, inverse_deviation, gain, None, wanted)[0]
