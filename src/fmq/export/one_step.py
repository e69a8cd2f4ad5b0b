"""The one-step policy as a program of torch.export, which needs neither this package nor its code.

`torch.export.load("one_step.pt2").module()(observations, noise)` gives chunks (batch, H, A) for raw
observations (batch, O) and noise (batch, H*A), of any batch.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from fmq import perceptron
from fmq.evaluation import Networks
from fmq.flow import one_step

FILE = "one_step.pt2"
# Without the shortcuts of `fmq.perceptron` and `fmq.fused`, which differ from batch to batch.
_ACTIVATIONS = {"gelu": lambda x: functional.gelu(x, approximate="tanh"), "silu": functional.silu}


class OneStep(nn.Module):
    """clip(X_{0,1}(a_0 | s), -1, 1) of a policy, from raw observations."""

    mean: Tensor
    deviation: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, networks: Networks, chunk_shape: tuple[int, int]) -> None:
        """`chunk_shape` is (H, A)."""
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
        """Chunks (batch, H, A) for observations (batch, O) and noise (batch, H*A)."""
        normalized = (observations - self.mean) / self.deviation
        return one_step(self._velocity, normalized, noise).unflatten(-1, self.chunk_shape)

    def _velocity(self, observations: Tensor, actions: Tensor, r: Tensor, t: Tensor) -> Tensor:
        """Of the policy at the times 0 and 1, which its first layer's bias has absorbed."""
        actor = self.actor
        activate = _ACTIVATIONS[actor.activation]
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
    for node in program.graph.nodes:  # where the code was on this machine
        node.meta.pop("stack_trace", None)
    torch.export.save(program, folder / FILE)
