"""Damaged and foreign policy folders are refused on one line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fmq.base.errors import UserError
from fmq.base.files import atomic_path
from fmq.export.card import CARD, WEIGHTS, digest
from fmq.export.loading import load_exported


def refused(folder: Path, match: str) -> None:
    told = refusal(load_exported, folder)
    assert str(folder) in told
    assert re.search(match, told)


def replace(name: str, value: Tensor) -> Callable[[dict[str, Tensor]], object]:
    return lambda tensors: tensors.update({name: value})


BIAS = "actor.layers.0.bias"


@pytest.mark.parametrize(
    ("deed", "match"),
    [
        (lambda tensors: tensors.pop(BIAS), f"has no {BIAS}"),
        (lambda tensors: tensors.clear(), "0 tensors"),
        (replace("backdoor", torch.zeros(1)), "has backdoor, which no network uses"),
        (replace(BIAS, torch.zeros(15)), r"float32 \(15,\), expected torch.float32 \(16,\)"),
        (replace(BIAS, torch.zeros(16).double()), "torch.float64"),
        (replace(BIAS, torch.full((16,), torch.nan)), "not finite"),
        (replace("critic.critics.1.norms.0.bias", torch.full((16,), torch.inf)), "not finite"),
        (replace("normalizer.deviation", torch.tensor([1.0, 0.0])), "has to be positive"),
        (replace("normalizer.mean", torch.zeros(3)), r"expected torch.float32 \(2,\)"),
    ],
)
def test_weights_that_do_not_fit(
    copied: Path, change_weights: Callable[..., None], deed: Any, match: str
) -> None:
    change_weights(copied, deed)
    refused(copied, match)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format": "lerobot"}, "not the card of a policy"),
        ({"version": 2}, "format version 2, but this fmq reads 1"),
        ({"version": None}, "format version None"),
        ({"task_settings": {"chunk_length": 0}}, "chunk_length"),
        ({"sampler": "telepathy"}, "does not fit"),
        ({"action_size": True}, "action_size: must be an integer, got True"),
        ({"observation_size": 3}, "expected torch.float32"),
        ({"action_size": 10**9}, "expected torch.float32"),
        ({"weights": "0" * 64}, "not the file that its card describes"),
        ({"weights": "../../etc"}, "not the file that its card describes"),
        ({"critic_target": "max"}, "critic_target: allowed are mean, min"),
        ({"samplers": ["telepathy"], "sampler": "telepathy"}, "does not fit"),
        ({"sampling": {}}, "sampling.samples: must be"),
        ({"sampling": {"samples": 0}}, "sampling.samples: must be at least 1, got 0"),
        ({"sampling": {"samples": 2.0}}, "sampling.samples: must be an integer"),
        ({"run": "finetune\nfmq"}, "run: must be printable"),
        ({"seed": 2**63}, "seed: must be between"),
        ({"extra": 1}, "unknown key"),
        ({"networks": {"hidden_width": 16}}, "networks.hidden_layers: missing"),
        ({"scores": {"qgbs": {"episodes": 1}}}, "success: missing"),
        (
            {
                "scores": {
                    "qgbs": {"episodes": 1, "success": 1.5, "mean_return": 0, "mean_length": 1}
                }
            },
            "success: must be at most 1, got 1.5",
        ),
    ],
)
def test_cards_that_do_not_fit(
    copied: Path, change_card: Callable[..., None], changes: dict[str, Any], match: str
) -> None:
    change_card(copied, **changes)
    refused(copied, match)


@pytest.mark.parametrize(
    "sizes", [{"hidden_width": 10**9}, {"hidden_width": 2**62}, {"hidden_layers": 10**12}]
)
def test_a_card_cannot_ask_for_memory(
    copied: Path, change_card: Callable[..., None], sizes: dict[str, int]
) -> None:
    networks = json.loads((copied / CARD).read_text())["networks"]
    change_card(copied, networks=networks | sizes)
    refused(copied, WEIGHTS)


def test_missing_and_foreign_files(copied: Path, change_card: Callable[..., None]) -> None:
    content = b"a pickle, perhaps"
    (copied / WEIGHTS).write_bytes(content)
    change_card(copied, weights=digest(content))
    refused(copied, "not a safetensors file")
    (copied / WEIGHTS).unlink()
    refused(copied, "No such file")
    (copied / CARD).write_text("[" * 100_000)
    refused(copied, "not JSON")
    (copied / CARD).write_text("[]")
    refused(copied, "not the card of a policy")
    (copied / CARD).unlink()
    refused(copied, "name a folder that `fmq export` or `fmq import-jax` wrote")
    refused(copied / "nowhere", "no such file")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from([CARD, WEIGHTS]), place=st.floats(0, 0.999), byte=st.integers(1, 255))
def test_no_changed_byte_leads_to_other_networks_or_a_traceback(
    exported: Path, copied: Path, name: str, place: float, byte: int
) -> None:
    content = bytearray((exported / name).read_bytes())
    content[int(place * len(content))] ^= byte
    with atomic_path(copied / name) as temporary:
        temporary.write_bytes(content)
    told = fault(copied)
    (copied / name).write_bytes((exported / name).read_bytes())
    if told is None:  # a score, a sampler's number, or a word on where the policy comes from
        assert name == CARD
    else:
        assert len(told.splitlines()) == 1


def fault(folder: Path) -> str | None:
    try:
        load_exported(folder)
    except UserError as error:
        return str(error)
    return None
