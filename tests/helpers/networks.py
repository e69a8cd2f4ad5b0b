"""Small networks and random numbers, each from a seed."""

from typing import Any

import torch
from torch import Tensor

from fmq.networks.ensemble import CriticEnsemble
from fmq.networks.velocity import VelocityNetwork

SHAPE = {"hidden_width": 16, "hidden_layers": 2, "activation": "gelu"}


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def velocity_network(obs: int, actions: int, seed: int = 0, **changes: Any) -> VelocityNetwork:
    settings = SHAPE | {"time_features": 4} | changes
    return VelocityNetwork(obs, actions, **settings, generator=torch.Generator().manual_seed(seed))


def critics(obs: int, actions: int, seed: int = 0, **changes: Any) -> CriticEnsemble:
    generator = torch.Generator().manual_seed(seed)
    return CriticEnsemble(obs, actions, **SHAPE | changes, generator=generator)
