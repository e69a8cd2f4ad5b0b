"""Compiled updates are the eager ones."""

import pytest
import torch
from helpers.learners import STEP, STUDY, make_learner, objective, random_batch

from fmq.errors import UserError
from fmq.settings import Study
from fmq.training.compiling import compiled
from fmq.training.learner import Learner
from fmq.training.updater import Updater

LOSSES = ["diagonal", "flow_map", "fmq"]
CPU = torch.device("cpu")


def compiling(study: Study = STUDY) -> Study:
    training = study.training.model_copy(update={"compile": True})
    return study.model_copy(update={"training": training})


def weights_after(learner: Learner, loss: str, updates: int) -> torch.Tensor:
    updater = Updater([learner], objective(loss, learner))
    for step in range(updates):
        updater.update([random_batch(step)], STEP + step)
    return learner.vectors.weights.clone()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_compiled_update_is_the_eager_one(loss: str) -> None:
    start = make_learner().vectors.weights.clone()
    eager = weights_after(make_learner(), loss, 2)
    found = weights_after(make_learner(compiling()), loss, 2)
    torch.testing.assert_close(found, eager, rtol=1e-5, atol=1e-5)
    assert (found - start).abs().max() > 1e-3


def test_wide_networks_and_rounded_selection_are_compiled_too() -> None:
    """They take other products, those of oneDNN."""
    networks = STUDY.networks.model_copy(update={"hidden_width": 256})
    training = STUDY.training.model_copy(update={"selection": "bfloat16"})
    study = STUDY.model_copy(update={"networks": networks, "training": training})
    start = make_learner(study).vectors.weights.clone()
    eager = weights_after(make_learner(study), "flow_map", 2)
    found = weights_after(make_learner(compiling(study)), "flow_map", 2)
    torch.testing.assert_close(found, eager, rtol=1e-4, atol=1e-4)
    assert (found - start).abs().max() > 1e-3


def test_a_thousand_compiled_updates_end_where_eager_ones_do() -> None:
    """Rounding differs, and grows with the updates as docs/performance.md says."""
    start = make_learner().vectors.weights.clone()
    eager = weights_after(make_learner(), "flow_map", 1000)
    found = weights_after(make_learner(compiling()), "flow_map", 1000)
    apart, way = (found - eager).norm(), (eager - start).norm()
    assert apart < 1e-4 * way


def test_without_a_compiler_there_is_one_line(monkeypatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match="no C\\+\\+ compiler 'no-such-compiler' here; install one"):
        compiled(lambda: None, CPU)
