"""The description of a policy in its folder: `card.json`, beside the weights.

It is read where only torch, numpy and safetensors are installed, so this module needs no settings.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fmq.base.errors import UserError
from fmq.base.messages import one_line, shown
from fmq.base.values import Bounds, Count, build, checked
from fmq.config.choices import Activation, Aggregate

CARD, WEIGHTS = "card.json", "policy.safetensors"
FORMAT, VERSION = "fmq-policy", 1
REMEDY = "export the policy again"
_LONGEST = 1_000_000  # bytes; real cards have a few thousand


@dataclass(frozen=True)
class Score:
    """The result of one evaluation: success rate, and means over the episodes."""

    episodes: Count
    success: Annotated[float, Bounds(0, 1)]
    mean_return: float
    mean_length: Annotated[float, Bounds(0, beyond=True)]


@dataclass(frozen=True)
class Architecture:
    """The networks, as `fmq.config.sections.NetworkSettings` has them."""

    hidden_width: Count
    hidden_layers: Count
    activation: Activation
    time_features: Annotated[int, Bounds(0)]
    normalize_observations: bool


@dataclass(frozen=True)
class Card:
    """All that is needed to rebuild a policy from its weights, and where the policy comes from.

    Attributes:
        task, task_settings: the task that it acts in; `fmq.export.simulator.task_of` checks them.
        run, method, seed, settings: the run and the hash of its settings; None if the policy does
            not come from a run of a study.
        sampler: the sampler it acts with: one of `samplers`, or the one in its method's file
            (`needs_file`).
        samplers: the built-in samplers that fit the policy.
        sampling: the numbers of the samplers; `fmq.export.loading` checks those that it uses.
        observation_size, action_size: O and A; a chunk has H * A numbers.
        weights: SHA-256 of the weights file.
        scores: results of the evaluations that existed at export, by sampler.
        dataset: name, source and SHA-256 of the files that the policy learned from, if known.
        made_by: commits and package versions; for an imported policy, also the source file.
    """

    format: Literal["fmq-policy"]
    version: Literal[1]
    task: str
    task_settings: dict[str, Any]
    run: str | None
    method: str | None
    seed: int | None
    settings: str | None
    sampler: str
    samplers: list[str]
    critic_target: Aggregate
    networks: Architecture
    sampling: dict[str, Any]
    observation_size: Count
    action_size: Count
    weights: str
    scores: dict[str, Score]
    dataset: dict[str, Any] | None
    made_by: dict[str, Any]

    @property
    def needs_file(self) -> bool:
        """Return whether the policy acts with a sampler from a method's file."""
        made = self.made_by.get("run")
        return self.sampler not in self.samplers and isinstance(made, dict) and "method" in made

    @property
    def chunk_shape(self) -> tuple[int, int]:
        """Return (H, A)."""
        length = self.task_settings.get("chunk_length")
        return checked(length, Count, "task_settings.chunk_length"), self.action_size


def digest(content: bytes) -> str:
    """Return the SHA-256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_card(folder: Path) -> Card:
    """Read and check the card in `folder`.

    Raises:
        UserError: the card is missing, damaged or of another format.
    """
    path = folder / CARD
    values = _read(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UserError(f"{path}: not the card of a policy; name a folder that `fmq export` wrote")
    if values.get("version") != VERSION:
        found = shown(values.get("version"))
        raise UserError(f"{path}: format version {found}, but this fmq reads {VERSION}; {REMEDY}")
    try:
        card = build(Card, values)
        _ = card.chunk_shape
    except UserError as error:
        raise UserError(f"{path}: {one_line(str(error))}; {REMEDY}") from None
    if card.sampler not in card.samplers and not card.needs_file:
        raise UserError(f"{path}: sampler {shown(card.sampler)} does not fit; {REMEDY}")
    return card


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > _LONGEST:
            raise UserError(f"{path}: larger than {_LONGEST:,} bytes, so not a card; {REMEDY}")
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{path}: no such file; name a folder that `fmq export` or `fmq import-jax` wrote"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not JSON; {REMEDY}") from None
