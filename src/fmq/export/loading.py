"""Load a policy from a policy folder; every value is checked before it is used.

Here and below only torch, numpy and safetensors are imported.
"""

import math
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from fmq.acting.policy import Networks, Policy, make_networks
from fmq.base.errors import UserError
from fmq.base.messages import one_line
from fmq.base.values import checked
from fmq.config.method_files import METHOD_FILE
from fmq.data.normalization import Normalizer
from fmq.export.card import CARD, REMEDY, WEIGHTS, Card, digest, read_card
from fmq.methods.samplers import MAKERS, Sampler, make_sampler, sampler_parameters


def load_exported(
    folder: str | Path, sampler: str | Sampler | None = None, seed: int = 0
) -> Policy:
    """Return the policy that `fmq export` or `fmq import-jax` wrote into `folder`, on the CPU.

    Args:
        folder: the policy folder.
        sampler: the name of a sampler, or a `Sampler`; None takes the policy's own.
        seed: the seed of the noise.

    Raises:
        UserError: the folder is damaged or not a policy, or the sampler does not fit it.
    """
    folder = Path(folder)
    card = read_card(folder)
    if not isinstance(sampler, Sampler):
        sampler = _named_sampler(folder, card, sampler or card.sampler)
    networks = read_networks(folder, card)
    for network in (networks.actor, networks.critic):
        network.prepare()
    return Policy(
        networks.actor,
        networks.critic,
        networks.normalizer,
        sampler,
        torch.Generator().manual_seed(seed),
        card.chunk_shape,
    )


def _named_sampler(folder: Path, card: Card, name: str) -> Sampler:
    fitting = [one for one in card.samplers if one in MAKERS]
    if name in fitting:
        return make_sampler(name, card.critic_target, **_numbers(folder, card, name))
    allowed = ", ".join(fitting)
    if name == card.sampler and card.needs_file:
        raise UserError(
            f"{folder}: acts with the sampler {one_line(name, 80)!r} of {METHOD_FILE}, which is "
            f"not executed here; give a Sampler to fmq.load_policy, or one of fmq's: {allowed}"
        )
    raise UserError(
        f"sampler {one_line(name, 80)!r} does not fit the policy in {folder}; allowed: {allowed}"
    )


def _numbers(folder: Path, card: Card, name: str) -> dict[str, Any]:
    """Return what the card says of a sampler's parameters; `UserError` if one does not fit."""
    try:
        return {
            key: checked(card.sampling.get(key), hint, f"sampling.{key}")
            for key, hint in sampler_parameters(name).items()
        }
    except UserError as error:
        raise UserError(f"{folder / CARD}: {error}; {REMEDY}") from None


def parts_of(networks: Networks) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of each part of a policy, as checkpoints hold them."""
    return {
        "actor": networks.actor.state_dict(),
        "critic": networks.critic.state_dict(),
        "normalizer": networks.normalizer._asdict(),
    }


def named_weights(networks: Networks) -> dict[str, Tensor]:
    """Return the tensors of a policy under their names in the weights file."""
    return {
        f"{part}.{name}": tensor.detach().contiguous()
        for part, tensors in parts_of(networks).items()
        for name, tensor in tensors.items()
    }


def read_networks(folder: Path, card: Card) -> Networks:
    """Read the networks in `folder`.

    Raises:
        UserError: the weights are missing, damaged, not finite, or do not match the card's digest
            or shapes.
    """
    path = folder / WEIGHTS
    tensors = _read(path, card.weights)
    _refuse_misfit(path, card, tensors)
    size = math.prod(card.chunk_shape)
    actor, critic = make_networks(card.observation_size, size, card.networks, torch.Generator())
    actor.load_state_dict(_part(tensors, "actor"))
    critic.load_state_dict(_part(tensors, "critic"))
    normalizer = Normalizer(**_part(tensors, "normalizer"))
    for network in (actor, critic):
        network.requires_grad_(False)
    return Networks(actor, critic, normalizer, size)


def _part(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _read(path: Path, expected: str) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; {REMEDY}") from None
    if digest(content) != expected:
        raise UserError(f"{path}: not the file that its card describes, or damaged; {REMEDY}")
    try:
        return safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        reason = one_line(str(error), 200)
        raise UserError(f"{path}: not a safetensors file: {reason}; {REMEDY}") from None


def _refuse_misfit(path: Path, card: Card, tensors: dict[str, Tensor]) -> None:
    """Raise `UserError` unless the tensors are exactly those of the card's networks."""
    expected = _expected_shapes(path, card, len(tensors))
    for name in (*expected, *tensors):
        if name not in tensors:
            raise UserError(f"{path}: has no {name}; {REMEDY}")
        if name not in expected:
            raise UserError(f"{path}: has {one_line(name, 80)}, which no network uses; {REMEDY}")
        tensor, shape = tensors[name], expected[name]
        if tensor.dtype != torch.float32 or tensor.shape != shape:
            found = f"{tensor.dtype} {tuple(tensor.shape)}"
            told = f"expected torch.float32 {tuple(shape)}"
            raise UserError(f"{path}: {name} is {found}, {told}; {REMEDY}")
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path}: {name} has numbers that are not finite; {REMEDY}")
    if not bool((tensors["normalizer.deviation"] > 0).all()):
        raise UserError(f"{path}: normalizer.deviation has to be positive; {REMEDY}")


def _expected_shapes(path: Path, card: Card, count: int) -> dict[str, torch.Size]:
    """Return shapes by name, found with networks on the meta device, which take no memory.

    Raises:
        UserError: the card claims more layers than the `count` tensors allow, or impossible sizes.
    """
    size = math.prod(card.chunk_shape)
    try:
        if card.networks.hidden_layers >= count:
            raise ValueError
        with torch.device("meta"):
            statistics = Normalizer(*torch.empty(2, card.observation_size))
            networks = make_networks(
                card.observation_size, size, card.networks, torch.Generator("cpu")
            )
    except (ValueError, RuntimeError, TypeError, OverflowError):
        raise UserError(
            f"{path}: {count} tensors, which are not the networks of the card; {REMEDY}"
        ) from None
    named = named_weights(Networks(*networks, statistics, size))
    return {name: tensor.shape for name, tensor in named.items()}
