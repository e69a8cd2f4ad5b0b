"""What a policy folder says of its policy: `card.json`, beside the weights."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from fmq.errors import UserError
from fmq.messages import one_line, shown
from fmq.methods import Aggregate
from fmq.section import Section, describe
from fmq.stage_settings import NetworkSettings, SamplingSettings
from fmq.tasks import Reading, Task, TaskSettings, parse_task

CARD, WEIGHTS = "card.json", "policy.safetensors"
FORMAT, VERSION = "fmq-policy", 1
REMEDY = "export the policy again"
_LONGEST = 1_000_000  # bytes; cards have a few thousand


class Score(Section):
    """Of one evaluation: share of successes, and means over the episodes."""

    episodes: int = Field(ge=1)
    success: float = Field(ge=0, le=1)
    mean_return: float
    mean_length: float = Field(gt=0)


class Card(Section):
    """All that is needed to rebuild a policy from its weights, and where it comes from.

    Attributes:
        run, method, seed, settings: the run and the hash of its settings; None where the policy is
            from no run of a study.
        sampler: how it acts: one of `samplers`, or that in its method's file (`needs_file`).
        samplers: those of fmq that fit the policy.
        observation_size, action_size: O and A; a chunk has H * A numbers.
        weights: SHA-256 of the weights' file.
        scores: by sampler, of the evaluations that there were at the export.
        dataset: name, source and SHA-256 of the files that the policy learned from, if known.
        made_by: commits and versions of packages; of an imported policy, the file it was in.
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
    samplers: list[Literal["one_step", "euler", "best_of_n", "best_of_n_euler", "qgbs"]]
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
        """Whether the policy acts with a sampler that is not fmq's."""
        made = self.made_by.get("run")
        return self.sampler not in self.samplers and isinstance(made, dict) and "method" in made

    @property
    def chunk_shape(self) -> tuple[int, int]:
        """(H, A)."""
        return self.task_settings.chunk_length, self.action_size

    def parsed_task(self) -> Task:
        """The task that the policy acts in."""
        return parse_task(self.task, self.task_settings, _reading(self.dataset or {}))


def _reading(dataset: dict[str, Any]) -> Reading | None:
    """What was read of the data set, if that was a file of the study's own."""
    if dataset.get("source") != "file":
        return None
    return Reading.model_validate(
        {key: dataset[key] for key in Reading.model_fields if key in dataset}
    )


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_card(folder: Path) -> Card:
    """The card in `folder`.

    Raises:
        UserError: it is missing, damaged or of another format.
    """
    path = folder / CARD
    values = _read(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise UserError(f"{path}: not the card of a policy; name a folder that `fmq export` wrote")
    if values.get("version") != VERSION:
        found = shown(values.get("version"))
        raise UserError(f"{path}: format version {found}, this fmq reads {VERSION}; {REMEDY}")
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
            raise UserError(f"{path}: larger than {_LONGEST:,} bytes, so no card; {REMEDY}")
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{path}: not there; name a folder that `fmq export` or `fmq import-jax` wrote"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not JSON; {REMEDY}") from None
