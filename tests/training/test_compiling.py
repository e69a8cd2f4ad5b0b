"""Compiled updates equal the eager ones."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.learners import STEP, STUDY, assert_near, make_learner, objective, random_batch

from fmq.base.errors import UserError
from fmq.base.files import CACHE
from fmq.config.study import Study
from fmq.training import compiling
from fmq.training.compiling import compiled
from fmq.training.learner import Learner
from fmq.training.updater import Updater, graph_identity

LOSSES = ["diagonal", "flow_map", "fmq"]
SLOW = pytest.mark.slow  # a compilation takes 15 s


def weights_after(learner: Learner, loss: str, updates: int, compile: bool = False) -> torch.Tensor:
    updater = Updater([learner], objective(loss, learner), compile)
    for step in range(updates):
        updater.update([random_batch(step)], STEP + step)
    return learner.vectors.weights.clone()


def gradient_of(learner: Learner, loss: str, compile: bool = False) -> torch.Tensor:
    """Return the first gradient, up to a factor, as the start of Adam's average."""
    weights_after(learner, loss, 1, compile)
    return learner.vectors.moments.average


@SLOW
@pytest.mark.parametrize("loss", LOSSES)
def test_a_compiled_update_is_the_eager_one(loss: str) -> None:
    found = gradient_of(make_learner(), loss, compile=True)
    assert_near(found, gradient_of(make_learner(), loss), 1e-5)


def wide(selection: str) -> Study:
    """Return a study with networks wide enough to use oneDNN's matrix products."""
    networks = STUDY.networks.model_copy(update={"hidden_width": 256})
    training = STUDY.training.model_copy(update={"selection": selection})
    return STUDY.model_copy(update={"networks": networks, "training": training})


# Choosing a chunk in bfloat16 rounds to 2^-9 at every layer, but a compiler and a CPU without
# bfloat16 products round at different places; the critics' gradient differs by about as much.
@pytest.mark.parametrize(("selection", "share"), [("float32", 1e-5), ("bfloat16", 2**-9)])
@SLOW
def test_wide_networks_and_rounded_selection_are_compiled_too(selection: str, share: float) -> None:
    eager = gradient_of(make_learner(wide(selection)), "flow_map")
    found = gradient_of(make_learner(wide(selection)), "flow_map", compile=True)
    assert_near(found, eager, share)


@SLOW
def test_a_thousand_compiled_updates_end_where_eager_ones_do() -> None:
    """Rounding differs, and the difference grows with the updates; see docs/performance.md."""
    start = make_learner().vectors.weights.clone()
    eager = weights_after(make_learner(), "flow_map", 1000)
    found = weights_after(make_learner(), "flow_map", 1000, compile=True)
    assert_near(found - start, eager - start, 1e-4)


@SLOW
def test_a_program_is_built_once_and_anew_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder, at that, whose name torch would take apart in the compiler's command line."""
    folder = tmp_path / "Größe und Maß"
    folder.mkdir()
    monkeypatch.setattr(compiling, "_folder", lambda: folder)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    inputs, built = [torch.linspace(0, 1, 8)], []
    original = compiling._build

    def build(*arguments: Any) -> None:
        built.append(arguments)
        original(*arguments)

    monkeypatch.setattr(compiling, "_build", build)

    def double(x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"double": 2 * x}

    for times in (1, 1):
        (found,) = compiling.compiled(double, "double")(*inputs).values()
        torch.testing.assert_close(found, 2 * inputs[0])
        assert len(built) == times
    (package,) = folder.glob("*.pt2")
    package.write_bytes(package.read_bytes()[:1000])
    assert set(compiling.compiled(double, "double")(*inputs)) == {"double"}
    assert len(built) == 2


def test_programs_of_other_threads_shapes_and_functions_have_other_names() -> None:
    def name(size: int = 4, identity: object = "sine") -> str:
        return compiling._package_path([torch.zeros(size)], identity).name

    threads = torch.get_num_threads()
    names = {name(), name(5), name(identity="cosine")}
    try:
        torch.set_num_threads(threads + 1)
        names.add(name())
    finally:
        torch.set_num_threads(threads)
    assert len(names) == 4
    assert name() in names


def test_a_graph_s_identity_tells_all_that_is_fixed_in_it() -> None:
    learner = make_learner()
    aim = objective("fmq", learner)
    same = graph_identity(make_learner(init=5, noise=6), objective("fmq", learner))
    assert same == graph_identity(learner, aim)
    others = [objective("flow_map", learner), aim._replace(critic_target="mean")]
    found = [graph_identity(learner, other) for other in others]
    changes = {
        "shapes": STUDY.networks.model_copy(update={"activation": "gelu"}),
        "backup": learner.backup._replace(discount=0.5),
        "action_size": 12,
        "selection": "bfloat16",
        "normalizer": learner.normalizer._replace(mean=learner.normalizer.mean + 1),
    }
    for name, value in changes.items():
        other = make_learner()
        setattr(other, name, value)
        found.append(graph_identity(other, aim))
    texts = {json.dumps(one, default=str) for one in (same, *found)}
    assert len(texts) == len(found) + 1


def test_where_nothing_can_be_kept_a_process_has_a_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(CACHE, "/proc/no-such-folder")
    folder = compiling._folder.__wrapped__()
    assert folder.is_dir()
    assert CACHE in capsys.readouterr().err
    folder.rmdir()


def test_where_torch_cannot_compile_no_compiler_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then `training.compile: auto` trains without."""
    monkeypatch.setattr(torch, "__file__", "/home/me/my study/.venv/torch/__init__.py")
    assert compiling.compiler() == ""


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_without_a_compiler_there_is_one_line(device: str, monkeypatch) -> None:
    """Programs of other devices than CPUs, for which "meta" stands, need it to launch kernels."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match="no-such-compiler") as told:
        compiled(torch.sin, "sine")(torch.zeros(1, device=device))
    assert "\n" not in str(told.value)
