"""Networks of flax become ours, with the same numbers, or are refused on one line."""

import copy
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.flax import layers, norms
from helpers.refusals import refusal

from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.export.card import CARD, read_card
from fmq.export.importing import import_jax
from fmq.export.jax_pickle import read_tree
from fmq.export.loading import load_exported, read_networks
from fmq.export.one_step import write_one_step
from fmq.export.playing import play

ROOT, DATA = Path(__file__).parents[2], Path(__file__).parent / "data"
MAZE = "pointmaze-medium-navigate-singletask-task4-v0"
TASK = "cube-triple-play-singletask-task4-v0"
FLOW, CRITIC = "modules_actor_bc_flow", "modules_critic"


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The paper's study with the four features of a flow time that the file's networks have."""
    overlay = tmp_path_factory.mktemp("settings") / "overlay.yaml"
    overlay.write_text("networks: {time_features: 4}\n")
    return load_study(ROOT / "config.yaml", ROOT / "config" / "paper.yaml", overlay)


def test_the_networks_compute_what_jax_computes(paper: Study, tmp_path: Path) -> None:
    import_jax(DATA / "jax_agent.pkl", paper, TASK, tmp_path / "policy")
    policy = load_exported(tmp_path / "policy")
    reference = np.load(DATA / "jax_values.npz")
    given = {name: torch.as_tensor(reference[name]) for name in reference}
    observations, chunks = given["observations"], given["chunks"]
    with torch.inference_mode():
        velocity = policy.velocity(observations, chunks, given["r"], given["t"])
        values = policy.critic(observations, chunks)
    assert given["velocity"].std() > 0.1
    assert given["values"].std() > 0.1
    torch.testing.assert_close(velocity, given["velocity"], rtol=0, atol=1e-5)
    torch.testing.assert_close(values, given["values"], rtol=0, atol=1e-5)


def test_its_program_is_its_one_step_policy(paper: Study, tmp_path: Path) -> None:
    """With GELU, Fourier features and raw observations, where the other program has none."""
    folder = tmp_path / "policy"
    import_jax(DATA / "jax_agent.pkl", paper, TASK, folder)
    card = read_card(folder)
    write_one_step(tmp_path, read_networks(folder, card), card.chunk_shape)
    program = torch.export.load(tmp_path / "one_step.pt2").module()
    observations = torch.randn(2000, 3, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(2000, 1, 10, generator=torch.Generator().manual_seed(2))[:, 0]
    expected = load_exported(folder, "one_step", seed=2).act(observations.numpy())
    np.testing.assert_allclose(program(observations, noise), expected, rtol=0, atol=1e-6)


def test_it_tells_what_it_found_and_what_not(paper: Study, tmp_path: Path) -> None:
    told = import_jax(DATA / "jax_agent.pkl", paper, TASK, tmp_path / "policy")
    assert told == [
        "velocity network: agent/network/params/modules_actor_bc_flow/mlp (21-8-8-10)",
        "critics: agent/network/params/modules_critic/value_net (2 of 13-8-8-1, layer norms)",
        "observations of 3 numbers, chunks of 5 x 2",
        "from the settings, not in the file: gelu, 4 features of each flow time, chunks of 5 "
        "actions, samplers; observations are not normalised",
        "not used: agent/network/params/modules_target_critic/value_net, "
        "agent/frozen_actor_params/mlp",
    ]
    card = read_card(tmp_path / "policy")
    assert (card.run, card.dataset, card.scores) == (None, None, {})
    assert (card.critic_target, card.sampler, card.sampling["samples"]) == ("min", "best_of_n", 32)
    assert card.made_by["file"]["velocity_network"].endswith("modules_actor_bc_flow/mlp")


def test_an_imported_policy_plays(study: Study, tmp_path: Path) -> None:
    """Networks of other names and of double precision, straight under the root."""
    generator = np.random.default_rng(0)
    critics = layers(generator, [12, 6, 6, 6, 1], 2) | {
        f"LayerNorm_{i}": norms(2, 6) for i in range(3)
    }
    flow = layers(generator, [20, 6, 6, 6, 10])
    flow["Dense_0"]["kernel"] = flow["Dense_0"]["kernel"].astype("f8")
    path = tmp_path / "params.pkl"
    path.write_bytes(pickle.dumps({"actor": flow, "q": critics}))
    import_jax(path, study, MAZE, tmp_path / "policy")
    for sampler in read_card(tmp_path / "policy").samplers:
        (episode,) = play(tmp_path / "policy", sampler, 1, 0, Path("nowhere"))
        assert episode.length == 23 or episode.success


def rename(params: dict[str, Any]) -> None:
    params["modules_target_flow"] = params.pop(FLOW)


def twice(params: dict[str, Any]) -> None:
    params["modules_other_flow"] = params[FLOW]


def one_time(params: dict[str, Any]) -> None:
    layer = params[FLOW]["mlp"]["Dense_0"]
    layer["kernel"] = layer["kernel"][:-4]


def gap(params: dict[str, Any]) -> None:
    params[FLOW]["mlp"]["Dense_7"] = params[FLOW]["mlp"].pop("Dense_1")


def misfit(params: dict[str, Any]) -> None:
    layer = params[FLOW]["mlp"]["Dense_1"]
    layer["bias"] = layer["bias"][:-1]


def without_norms(params: dict[str, Any]) -> None:
    del params[CRITIC]["value_net"]["LayerNorm_1"]


def single_critic(params: dict[str, Any]) -> None:
    for group in params[CRITIC]["value_net"].values():
        group.update({name: array[0] for name, array in group.items()})


def not_finite(params: dict[str, Any]) -> None:
    bias = params[FLOW]["mlp"]["Dense_1"]["bias"].copy()
    bias[0] = np.nan
    params[FLOW]["mlp"]["Dense_1"]["bias"] = bias


def narrow(params: dict[str, Any]) -> None:
    group = params[FLOW]["mlp"]
    group["Dense_0"] = {name: array[..., :4] for name, array in group["Dense_0"].items()}
    group["Dense_1"]["kernel"] = group["Dense_1"]["kernel"][:4]


def nothing(params: dict[str, Any]) -> None:
    params.clear()


@pytest.mark.parametrize(
    ("deed", "match"),
    [
        (rename, r"no velocity network with 21 inputs"),
        (twice, r"more than one velocity network.*modules_other_flow"),
        (one_time, r"no velocity network.*\(17-8-8-10\)"),
        (gap, r"no velocity network"),
        (misfit, r"no velocity network"),
        (without_norms, r"no critics"),
        (single_critic, r"no critics"),
        (not_finite, r"not finite"),
        (narrow, r"hidden layers differ"),
        (nothing, r"no critics; found agent/frozen_actor_params/mlp"),
    ],
)
def test_other_networks_are_refused(
    paper: Study, tmp_path: Path, deed: Callable[[dict[str, Any]], None], match: str
) -> None:
    tree = copy.deepcopy(read_tree(DATA / "jax_agent.pkl"))
    deed(tree["agent"]["network"]["params"])
    path = tmp_path / "params.pkl"
    path.write_bytes(pickle.dumps(tree))
    told = refusal(import_jax, path, paper, TASK, tmp_path / "policy")
    assert told.startswith(f"{path}: ")
    assert re.search(match, told)
    assert list(tmp_path.iterdir()) == [path]


def test_settings_of_another_file_are_refused(paper: Study, tmp_path: Path) -> None:
    longer = paper.model_copy(update={"task_settings": {TASK: {"chunk_length": 4}}})
    raw = paper.networks.model_copy(update={"time_features": 0})
    other = paper.model_copy(update={"networks": raw})
    path, folder = DATA / "jax_agent.pkl", tmp_path / "policy"
    for study, task, reason in (
        (longer, TASK, "gives 10 numbers: no chunks of 4 actions"),
        (other, TASK, "no velocity network with 15 inputs"),
        (paper, "cartpole", "unknown task"),
    ):
        assert reason in refusal(import_jax, path, study, task, folder)
    assert not folder.exists()


def test_same_file_same_bytes(paper: Study, tmp_path: Path) -> None:
    for name in ("one", "two"):
        import_jax(DATA / "jax_agent.pkl", paper, TASK, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    assert json.loads((tmp_path / "one" / CARD).read_text())["networks"]["activation"] == "gelu"
