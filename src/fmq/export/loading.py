"""From a policy folder to a policy: every number is checked before any of it is used."""

from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from fmq.data.normalization import Normalizer
from fmq.errors import UserError
from fmq.evaluation import Networks
from fmq.export.card import REMEDY, WEIGHTS, Card, digest, read_card
from fmq.messages import one_line
from fmq.own_methods import METHOD
from fmq.policy import Policy, Sampler, make_networks, make_sampler


def load_exported(folder: Path, sampler: str | Sampler | None = None, seed: int = 0) -> Policy:
    """The policy in `folder`, on the CPU; `fmq.policy.Policy.load` tells the arguments.

    Raises:
        UserError: the folder is damaged or no policy, or the sampler does not fit it.
    """
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
    if name in card.samplers:
        return make_sampler(name, card.sampling, card.critic_target)
    allowed = ", ".join(card.samplers)
    if name == card.sampler:
        raise UserError(
            f"{folder}: acts with the sampler {one_line(name, 80)!r} of {METHOD}, which is not "
            f"executed here; give a Sampler to Policy.load, or one of fmq's: {allowed}"
        )
    raise UserError(
        f"sampler {one_line(name, 80)!r} does not fit the policy in {folder}; allowed: {allowed}"
    )


def named_weights(networks: Networks) -> dict[str, Tensor]:
    """The tensors of a policy by the names that its file has for them."""
    parts = {
        "actor": networks.actor.state_dict(),
        "critic": networks.critic.state_dict(),
        "normalizer": networks.normalizer._asdict(),
    }
    return {
        f"{part}.{name}": tensor.detach().contiguous()
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }


def read_networks(folder: Path, card: Card) -> Networks:
    """The networks in `folder`.

    Raises:
        UserError: the weights are missing, damaged, not the card's, of other shapes than the card
            says, or not finite.
    """
    path = folder / WEIGHTS
    tensors = _read(path, card.weights)
    _refuse_misfit(path, card, tensors)
    size = card.action_size * card.task_settings.chunk_length
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
        raise UserError(f"{path}: no safetensors file: {reason}; {REMEDY}") from None


def _refuse_misfit(path: Path, card: Card, tensors: dict[str, Tensor]) -> None:
    """Raise `UserError` unless the tensors are just those that the card's networks have."""
    expected = _expected_shapes(path, card, len(tensors))
    for name in (*expected, *tensors):
        if name not in tensors:
            raise UserError(f"{path}: has no {name}; {REMEDY}")
        if name not in expected:
            raise UserError(f"{path}: has {one_line(name, 80)}, which no network wants; {REMEDY}")
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
    """Shapes by name; networks without memory tell them, whatever size the card claims.

    Raises:
        UserError: the card claims more layers than the `count` tensors can be, or impossible sizes.
    """
    size = card.action_size * card.task_settings.chunk_length
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
