"""Backward passes of MLPs to their inputs, as guidance by a critic needs them."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from fmq.networks.fused import product
from fmq.networks.perceptron import ACTIVATIONS, LAYER_NORM_EPSILON, Pairs, output


class Pull(Protocol):
    """A function that carries cotangents of an MLP's outputs back to its inputs."""

    def __call__(self, cotangents: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return cotangents of the inputs (..., in) from those of the outputs (..., out).

        Args:
            cotangents: cotangents of the outputs, (..., out), or (n, out) with `rows`.
            rows: n row indices into the flattened leading axes, to pull back at these rows only;
                the result is then (n, in).
        """


@torch.no_grad()
def pullback(
    x: Tensor, layers: Pairs, norms: Pairs, activation: str, transposed: Sequence[Tensor]
) -> tuple[Tensor, Pull]:
    """Compute `forward`, and return it with the pullback from its outputs to its inputs.

    This is faster than autograd because it computes no gradients of the weights.

    Args:
        layers: as for `forward`, or the result of `fused.prepare`.
        transposed: the transposed weights of `layers`, (in, out) each, or the result of
            `fused.prepare_transposed`.
    """
    tape = []
    for layer, norm in zip_longest(layers[:-1], norms):
        before = product(x, *layer)
        x = activated = ACTIVATIONS[activation].plain(before)
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
            cotangents = product(ACTIVATIONS[activation].tangent(before, cotangents), weight)
        return cotangents

    return output(x, layers[-1]), pull


def _layer_norm_backward(
    cotangents: Tensor, x: Tensor, mean: Tensor, inverse_deviation: Tensor, gain: Tensor
) -> Tensor:
    """Return the cotangents of the inputs of a layer norm."""
    backward, wanted = torch.ops.aten.native_layer_norm_backward, [True, False, False]
    return backward(cotangents, x, gain.shape, mean, inverse_deviation, gain, None, wanted)[0]
