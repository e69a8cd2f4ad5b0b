"""The one-step policy as a torch.export program, which runs without this package.

`torch.export.load("one_step.pt2").module()(observations, noise)` returns chunks (batch, H, A) for
raw observations (batch, O) and noise (batch, H*A), for any batch size.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from fmq.acting.policy import Networks
from fmq.method.flow import one_step
from fmq.networks import perceptron
from fmq.networks.perceptron import ACTIVATIONS

FILE = "one_step.pt2"
# Not the optimised kernels of `fmq.networks.perceptron` and `fused`, which depend on the batch.


class OneStep(nn.Module):
    """The one-step map clip(X_{0,1}(a_0 | s), -1, 1) of a policy, for raw observations."""

    mean: Tensor
    deviation: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, networks: Networks, chunk_shape: tuple[int, int]) -> None:
        """Make the module; `chunk_shape` is (H, A)."""
        super().__init__()
        self.actor, self.chunk_shape = networks.actor, chunk_shape
        start = networks.normalizer.mean.new_zeros(1)
        with torch.no_grad():
            weight, bias = self.actor.absorbing(start, start + 1)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.register_buffer("mean", networks.normalizer.mean)
        self.register_buffer("deviation", networks.normalizer.deviation)

    def forward(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Return chunks (batch, H, A) for observations (batch, O) and noise (batch, H*A)."""
        normalized = (observations - self.mean) / self.deviation
        return one_step(self._velocity, normalized, noise).unflatten(-1, self.chunk_shape)

    def _velocity(self, observations: Tensor, actions: Tensor, r: Tensor, t: Tensor) -> Tensor:
        """Return the velocity at r = 0 and t = 1, which the first layer's bias has absorbed."""
        actor = self.actor
        activate = ACTIVATIONS[actor.activation].kernel
        return perceptron.through(
            torch.cat([observations, actions], -1),
            [(self.weight, self.bias), *actor.linear[1:]],
            actor.gains,
            lambda x, layer: activate(functional.linear(x, *layer)),
        )


def write_one_step(folder: Path, networks: Networks, chunk_shape: tuple[int, int]) -> None:
    """Write the one-step map of a flow map policy as ``folder/one_step.pt2``."""
    example = torch.zeros(2, len(networks.normalizer.mean)), torch.zeros(2, networks.action_size)
    batch = {0: torch.export.Dim("batch")}
    module = OneStep(networks, chunk_shape).eval().requires_grad_(False)
    with torch.no_grad():
        program = torch.export.export(module, example, dynamic_shapes=(batch, batch))
    for node in program.graph.nodes:  # stack traces hold paths of this machine
        node.meta.pop("stack_trace", None)
    torch.export.save(program, folder / FILE)
