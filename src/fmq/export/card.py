"""The description of a policy in its folder: `card.json`, beside the weights."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from fmq.base.errors import UserError
from fmq.base.messages import one_line, shown
from fmq.config.samplers import SAMPLERS
from fmq.config.section import Section, describe
from fmq.config.sections import Aggregate, NetworkSettings, SamplingSettings
from fmq.config.tasks import Reading, Task, TaskSettings, parse_task

CARD, WEIGHTS = "card.json", "policy.safetensors"
FORMAT, VERSION = "fmq-policy", 1
REMEDY = "export the policy again"
_LONGEST = 1_000_000  # bytes; real cards have a few thousand


class Score(Section):
    """The result of one evaluation: success rate, and means over the episodes."""

    episodes: int = Field(ge=1)
    success: float = Field(ge=0, le=1)
    mean_return: float
    mean_length: float = Field(gt=0)


class Card(Section):
    """All that is needed to rebuild a policy from its weights, and where the policy comes from.

    Attributes:
        run, method, seed, settings: the run and the hash of its settings; None if the policy does
            not come from a run of a study.
        sampler: the sampler it acts with: one of `samplers`, or the one in its method's file
            (`needs_file`).
        samplers: the built-in samplers that fit the policy.
        observation_size, action_size: O and A; a chunk has H * A numbers.
        weights: SHA-256 of the weights file.
        scores: results of the evaluations that existed at export, by sampler.
        dataset: name, source and SHA-256 of the files that the policy learned from, if known.
        made_by: commits and package versions; for an imported policy, also the source file.
    """

    format: Literal["fmq-policy"]
    version: Literal[1]
    task: str
    task_settings: TaskSettings
    run: str | None
    method: str | None
    seed: int | None
    settings: str | None
    sampler: str
    samplers: list[Literal[*SAMPLERS]]  # type: ignore[valid-type]
    critic_target: Aggregate
    networks: NetworkSettings
    sampling: SamplingSettings
    observation_size: int = Field(ge=1)
    action_size: int = Field(ge=1)
    weights: str = Field(pattern=r"^[0-9a-f]{64}$")
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
        return self.task_settings.chunk_length, self.action_size

    def parsed_task(self) -> Task:
        """Return the task that the policy acts in."""
        return parse_task(self.task, self.task_settings, _reading(self.dataset or {}))


def _reading(dataset: dict[str, Any]) -> Reading | None:
    """Return what was read of the data set if it was the study's own file, else None."""
    if dataset.get("source") != "file":
        return None
    return Reading.model_validate(
        {key: dataset[key] for key in Reading.model_fields if key in dataset}
    )


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
        card = Card.model_validate(values)
        card.parsed_task()
    except ValidationError as error:
        raise UserError(f"{path}: {one_line(describe(error, Card))}; {REMEDY}") from None
    except UserError as error:
        raise UserError(f"{path}: {one_line(str(error))}") from None
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
