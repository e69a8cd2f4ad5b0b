"""Compiled updates are the eager ones."""

import pytest
import torch
from helpers.learners import STEP, STUDY, assert_near, make_learner, objective, random_batch

from fmq.errors import UserError
from fmq.settings import Study
from fmq.training.compiling import compiled
from fmq.training.learner import Learner
from fmq.training.updater import Updater

LOSSES = ["diagonal", "flow_map", "fmq"]
SLOW = pytest.mark.slow  # a compilation takes 15 s


def weights_after(learner: Learner, loss: str, updates: int, compile: bool = False) -> torch.Tensor:
    updater = Updater([learner], objective(loss, learner), compile)
    for step in range(updates):
        updater.update([random_batch(step)], STEP + step)
    return learner.vectors.weights.clone()


def gradient_of(learner: Learner, loss: str, compile: bool = False) -> torch.Tensor:
    """That of a first update, up to a factor: the average that Adam starts."""
    weights_after(learner, loss, 1, compile)
    return learner.vectors.moments.average


@SLOW
@pytest.mark.parametrize("loss", LOSSES)
def test_a_compiled_update_is_the_eager_one(loss: str) -> None:
    found = gradient_of(make_learner(), loss, compile=True)
    assert_near(found, gradient_of(make_learner(), loss), 1e-5)


def wide(selection: str) -> Study:
    """Networks that take other products, those of oneDNN."""
    networks = STUDY.networks.model_copy(update={"hidden_width": 256})
    training = STUDY.training.model_copy(update={"selection": selection})
    return STUDY.model_copy(update={"networks": networks, "training": training})


# A chunk that is chosen in bfloat16 is rounded to 2^-9 at every layer, wherever a CPU without such
# products and a compiler do that; what the critics learn from it moves by about as much.
@pytest.mark.parametrize(("selection", "share"), [("float32", 1e-5), ("bfloat16", 2**-9)])
@SLOW
def test_wide_networks_and_rounded_selection_are_compiled_too(selection: str, share: float) -> None:
    eager = gradient_of(make_learner(wide(selection)), "flow_map")
    found = gradient_of(make_learner(wide(selection)), "flow_map", compile=True)
    assert_near(found, eager, share)


@SLOW
def test_a_thousand_compiled_updates_end_where_eager_ones_do() -> None:
    """Rounding differs, and grows with the updates as docs/performance.md says."""
    start = make_learner().vectors.weights.clone()
    eager = weights_after(make_learner(), "flow_map", 1000)
    found = weights_after(make_learner(), "flow_map", 1000, compile=True)
    assert_near(found - start, eager - start, 1e-4)


def test_without_a_compiler_there_is_one_line(monkeypatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match="no-such-compiler"):
        compiled(torch.sin, [torch.zeros(1)], "sine")
