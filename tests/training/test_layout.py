"""Parameters that start at aligned places, as on a GPU: equal numbers, and the same files."""

import pytest
import torch
from helpers.learners import STEP, STUDY, make_learner, objective, random_batch
from torch import Tensor

from fmq.config.study import Study
from fmq.networks import layout
from fmq.training.learner import Learner
from fmq.training.updater import Updater

SEVERAL = [1, pytest.param(2, marks=pytest.mark.slow)]
ROUNDED = STUDY.model_copy(
    update={"training": STUDY.training.model_copy(update={"selection": "bfloat16"})}
)


def learners(
    patch: pytest.MonkeyPatch, count: int, aligned: bool, study: Study = STUDY
) -> list[Learner]:
    """Make learners, whose later updates have to run in the same layout."""
    patch.setattr(layout, "alignment", lambda device: layout.ALIGNED if aligned else 1)
    return [make_learner(study, init=number, noise=number) for number in range(count)]


def train(several: list[Learner], start: int = 0) -> list[dict[str, float]]:
    """Return the metrics of two updates."""
    updater = Updater(several, objective("fmq", several[0]))
    rows = []
    for step in range(start, start + 2):
        batches = [random_batch(10 * step + number) for number in range(len(several))]
        rows += updater.update(batches, STEP + step, measure=True)
    return rows


def numbers(learner: Learner) -> Tensor:
    """Return all that is learned, read through the networks."""
    networks = (learner.actor, learner.critic, learner.target, learner.offline_actor)
    return torch.cat([part.detach().flatten() for one in networks for part in one.parameters()])


@pytest.mark.parametrize("count", SEVERAL)
def test_every_parameter_starts_at_an_aligned_place_and_gaps_stay_zero(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = learners(monkeypatch, count, aligned=True)
    train(several)
    for one in several:
        weights, target, offline, moments = one.vectors
        for vector, network in [
            (weights, one.actor),
            (weights, one.critic),
            (target, one.target),
            (offline, one.offline_actor),
        ]:
            first = vector.untyped_storage().data_ptr()
            starts = [(part.data_ptr() - first) // 4 for part in network.parameters()]
            assert [start % layout.ALIGNED for start in starts] == [0] * len(starts)
        for vector in (weights, *moments[:2]):
            rest = vector.clone()
            for part in layout.parts(rest, one.parameters):
                part.zero_()
            assert not rest.any()


@pytest.mark.parametrize("count", SEVERAL)
@pytest.mark.parametrize("study", [STUDY, ROUNDED], ids=["float32", "bfloat16"])
def test_the_numbers_are_those_without_gaps(
    count: int, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = learners(monkeypatch, count, aligned=False, study=study)
    expected = train(plain)
    aligned = learners(monkeypatch, count, aligned=True, study=study)
    found = train(aligned)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)
    for mine, theirs in zip(aligned, plain, strict=True):
        torch.testing.assert_close(numbers(mine), numbers(theirs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("aligned", [False, True])
def test_a_learner_goes_on_in_the_other_layout(
    aligned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a run on a CPU goes on from a parent that was trained on a GPU, or the other way round."""
    (first,) = learners(monkeypatch, 1, aligned)
    train([first])
    state, noise = first.state(), first.generator.get_state()
    plain = make_learner().state()["optimizer"]
    kept = torch.cat([one.flatten().clone() for one in state["optimizer"].values()])
    (second,) = learners(monkeypatch, 1, not aligned)
    second.load_state(state)
    second.generator.set_state(noise)
    again = second.state()["optimizer"]
    assert torch.equal(torch.cat([one.flatten() for one in again.values()]), kept)
    assert plain.keys() == again.keys()
    found = train([second], start=2)
    monkeypatch.setattr(layout, "alignment", lambda device: layout.ALIGNED if aligned else 1)
    assert found == [pytest.approx(row, rel=1e-5) for row in train([first], start=2)]


def test_moments_of_another_size_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (learner,) = learners(monkeypatch, 1, aligned=True)
    state = learner.state()
    state["optimizer"]["square"] = state["optimizer"]["square"][1:]
    with pytest.raises(RuntimeError):
        learner.load_state(state)


def test_numbers_are_apart_only_where_there_is_no_cpu() -> None:
    """Tensors on "meta" stand for those of a GPU."""
    for device, starts in (("cpu", [0, 5, 5 + 64]), ("meta", [0, 64, 128])):
        tensors = [torch.empty(size, device=device) for size in (5, 64, 1)]
        vector = layout.joined(tensors)
        assert [part.storage_offset() for part in layout.parts(vector, tensors)] == starts
