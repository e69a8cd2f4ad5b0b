"""The model card is made from the card alone, and read by the Hub and by people."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers.policies import score, small_policy
from scipy.stats import binomtest

from fmq.export.card import CARD, WEIGHTS, Card, Score
from fmq.export.model_card import FILM, README, interval, model_card, name_of

MADE = {"run": {"commit": None, "packages": {}, "method": {"file": "mine.py", "sha256": "0" * 64}}}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Card]:
    folder = tmp_path_factory.mktemp("carded") / "policy"
    return folder, small_policy(folder)


def front_matter(text: str) -> dict[str, Any]:
    start, front, _ = text.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(front)


@pytest.mark.parametrize("task", ["null", "1e3", "2024-01-01", "on", "x_-_y", "0x1F"])
def test_front_matter_keeps_odd_names(policy: tuple[Path, Card], task: str) -> None:
    card = replace(policy[1], task=task, method="yes", sampler="yes", made_by=MADE)
    card = replace(card, scores={"yes": Score(**score(7, 3 / 7, -1.5))})
    front = front_matter(model_card(card, []))
    assert front["tags"][-1] == task
    ((entry,),) = (front["model-index"],)
    (result,) = entry["results"]
    assert result["dataset"]["name"] == task
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values == {"success_rate": 3 / 7, "mean_reward": -1.5, "mean_length": 1.5}
    assert {metric["args"]["sampler"] for metric in result["metrics"]} == {"yes"}


def test_a_variant_is_not_taken_for_the_method(policy: tuple[Path, Card]) -> None:
    plain = replace(policy[1], run="finetune-fmq", method="fmq", made_by=MADE)
    variant = replace(plain, run="finetune-fmq@eta-0.5")
    assert name_of(plain).startswith("FMQ on ")
    assert name_of(variant).startswith("FMQ (eta-0.5) on ")


def test_the_hub_s_own_reader_finds_the_scores(policy: tuple[Path, Card]) -> None:
    hub = pytest.importorskip("huggingface_hub")
    found = hub.ModelCard((policy[0] / README).read_text()).data
    assert (found.library_name, found.license) == ("fmq", "mit")
    rates = [one for one in found.eval_results if one.metric_type == "success_rate"]
    assert [one.metric_value for one in rates] == [0.88, 1.0]
    assert all(one.dataset_name == policy[1].task for one in rates)


@pytest.mark.parametrize(("successes", "episodes"), [(22, 25), (0, 5), (5, 5), (1, 1), (40, 100)])
def test_intervals_are_wilson_s(successes: int, episodes: int) -> None:
    expected = binomtest(successes, episodes).proportion_ci(method="wilson")
    found = interval(Score(**score(episodes, successes / episodes, -1.0)))
    np.testing.assert_allclose(found, (expected.low, expected.high), atol=1e-12)


@pytest.mark.parametrize("own", [False, True])
def test_its_example_runs(policy: tuple[Path, Card], tmp_path: Path, own: bool) -> None:
    """Also where the policy's own sampler is in a file, which is not executed."""
    folder = policy[0]
    if own:
        folder = tmp_path / "own"
        small_policy(folder, sampler="mine", method="mine", made_by=MADE, scores={})
    (example,) = re.findall(r"```python\n(.*?)```", (folder / README).read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(example.replace("USER/NAME", str(folder)), names)
    assert names["chunks"].shape == (1, 5, 2)


def test_it_tells_of_what_is_there(policy: tuple[Path, Card]) -> None:
    card = policy[1]
    text = model_card(card, [CARD, WEIGHTS, FILM])
    assert f"]({FILM})" in text
    assert FILM not in (policy[0] / README).read_text()
    for told in (card.weights, card.task, "1f1f1f1f1f1f with uncommitted", "70.0% to 95.8%"):
        assert told in text
    bare = replace(card, scores={}, dataset=None, **dict.fromkeys(("run", "method", "seed")))
    text = model_card(replace(bare, made_by={"file": {"name": "a|b.pkl"}}), [])
    assert not {"license", "model-index"} & front_matter(text).keys()
    assert "a|b.pkl" in text
