"""Import a policy of the paper's authors from a pickle of flax parameters."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fmq.acting.policy import Networks, make_networks
from fmq.base.errors import UserError
from fmq.base.files import file_sha256
from fmq.base.messages import one_line
from fmq.config.methods import fitting_samplers
from fmq.config.sections import NetworkSettings
from fmq.config.study import Study
from fmq.data.normalization import Normalizer
from fmq.export.exporting import code_and_packages, own_data, write_policy
from fmq.export.jax_mapping import Found, Perceptron, describe, find_networks
from fmq.export.jax_pickle import read_tree
from fmq.networks.ensemble import CRITICS


class Imported(NamedTuple):
    """The content of a pickle: networks, their settings and paths, and the file's checksum."""

    networks: Networks
    settings: NetworkSettings
    found: Found
    file: dict[str, str]


def read_jax(path: Path, study: Study, length: int) -> Imported:
    """Read the networks in a pickle, for chunks of `length` actions and raw observations.

    The activation and the features of a flow time are not in the file and are taken from the
    study; the number of features must fit.

    Raises:
        UserError: the file is rejected (`fmq.export.jax_pickle`), lacks the networks, or they do
            not fit the settings.
    """
    digest = file_sha256(path) if path.is_file() else ""
    try:
        found = find_networks(read_tree(path), study.networks.time_features)
        settings = _network_settings(found, study.networks)
        networks = _networks(found, settings, length)
    except UserError as error:
        told = str(error)
        raise UserError(told if told.startswith(str(path)) else f"{path}: {told}") from None
    places = {"velocity_network": found.actor.path, "critics": found.critics.path}
    return Imported(networks, settings, found, {"name": path.name, "sha256": digest, **places})


def import_jax(path: Path, study: Study, task_name: str, folder: Path) -> list[str]:
    """Write the policy in a pickle into `folder`; return lines that describe what was found.

    The chunk length and the settings of the samplers are taken from the study, too.

    Raises:
        UserError: as `read_jax`.
    """
    task = study.task(task_name)
    networks, settings, found, file = read_jax(path, study, task.settings.chunk_length)
    card = write_policy(
        folder,
        networks,
        {
            "task": task.name,
            "task_settings": task.settings.model_dump(),
            **dict.fromkeys(("run", "method", "seed", "settings")),
            "dataset": own_data(study, task.dataset),
            "sampler": "best_of_n",
            "samplers": fitting_samplers("distill"),
            "critic_target": study.online.critic_target,
            "networks": settings.model_dump(),
            "sampling": study.sampling.model_dump(),
            "scores": {},
            "made_by": {"file": file, "export": code_and_packages()},
        },
    )
    time = f"{settings.time_features} features of each flow time"
    length, width = card.chunk_shape
    return [
        f"velocity network: {describe(found.actor)}",
        f"critics: {describe(found.critics)}",
        f"observations of {card.observation_size} numbers, chunks of {length} x {width}",
        f"from the settings, not in the file: {settings.activation}, "
        f"{time if settings.time_features else 'raw flow times'}, chunks of {length} actions, "
        "samplers; observations are not normalised",
        f"not used: {one_line(', '.join(found.unused)) or 'no other network'}",
    ]


def _network_settings(found: Found, settings: NetworkSettings) -> NetworkSettings:
    """Return the study's settings with the file's sizes, which both networks must share."""
    hidden = {tuple(one.sizes[1:-1]) for one in (found.actor, found.critics)}
    widths = {width for widths in hidden for width in widths}
    if len(hidden) != 1 or len(widths) != 1:
        raise UserError(
            f"hidden layers differ: {describe(found.actor)} and {describe(found.critics)}; fmq "
            "supports one width and one depth for all networks"
        )
    sizes = {"hidden_width": widths.pop(), "hidden_layers": len(hidden.pop())}
    return settings.model_copy(update={**sizes, "normalize_observations": False})


def _networks(found: Found, settings: NetworkSettings, length: int) -> Networks:
    """Return networks with the file's weights, for chunks of `length` actions."""
    size = found.actor.sizes[-1]
    observation_size = found.critics.sizes[0] - size
    if observation_size < 1 or size % length:
        raise UserError(
            f"{describe(found.actor)} gives {size} numbers: no chunks of {length} actions with "
            f"critics of {found.critics.sizes[0]} inputs; use the settings of this file"
        )
    actor, critic = make_networks(observation_size, size, settings, torch.Generator())
    actor.load_state_dict(_weights(found.actor, ()))
    for number in range(CRITICS):
        critic.critics[number].load_state_dict(_weights(found.critics, (number,)))
    for one in (found.actor, found.critics):
        if not one.finite:
            raise UserError(f"{describe(one)} has numbers that are not finite; download it again")
    statistics = Normalizer(torch.zeros(observation_size), torch.ones(observation_size))
    return Networks(actor, critic, statistics, size)


def _weights(one: Perceptron, member: tuple[Any, ...]) -> dict[str, Tensor]:
    """Return weights under fmq's names; a kernel (in, out) is the transposed weight (out, in)."""
    weights = {}
    for number, (kernel, bias) in enumerate(one.layers):
        weights[f"layers.{number}.weight"] = _tensor(kernel[member].T)
        weights[f"layers.{number}.bias"] = _tensor(bias[member])
    for number, (scale, bias) in enumerate(one.norms):
        weights[f"norms.{number}.weight"] = _tensor(scale[member])
        weights[f"norms.{number}.bias"] = _tensor(bias[member])
    return weights


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
