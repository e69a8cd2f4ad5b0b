"""An exported policy acts as the original does, and its folder is whole or not there."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from fmq.acting.evaluation import load_policy
from fmq.base.errors import UserError
from fmq.base.files import file_sha256, whole_folder
from fmq.cli import app
from fmq.config.samplers import SAMPLERS
from fmq.config.study import Study
from fmq.export.card import CARD, WEIGHTS, read_card
from fmq.export.exporting import export_run
from fmq.export.loading import load_exported
from fmq.export.model_card import FILM, README
from fmq.pipeline.paths import data_folder, evaluation_file
from fmq.pipeline.runs import Run, make_run

CPU = torch.device("cpu")
OBSERVATIONS = np.random.default_rng(0).normal(10, 6, size=(1000, 2))


def original_chunks(run: Run, sampler: str, results: Path, seed: int) -> np.ndarray:
    policy = load_policy(run, sampler, results, CPU)
    policy.generator.manual_seed(seed)
    return policy.act(OBSERVATIONS)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_exported_and_original_act_alike(
    fmq_run: Run, results: Path, exported: Path, sampler: str
) -> None:
    expected = original_chunks(fmq_run, sampler, results, 3)
    found = load_exported(exported, sampler, seed=3).act(OBSERVATIONS)
    assert found.shape == (1000, 5, 2)
    assert found.std() > 0.01
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert not np.array_equal(load_exported(exported, sampler, seed=4).act(OBSERVATIONS), found)


def test_a_policy_without_a_flow_map(study: Study, results: Path, tmp_path: Path) -> None:
    run = make_run(study, study.tasks[0], 0, "finetune-qc")
    card = export_run(run, results, tmp_path / "qc")
    assert card.samplers == ["euler", "best_of_n_euler"]
    for sampler in card.samplers:
        expected = original_chunks(run, sampler, results, 0)
        found = load_exported(tmp_path / "qc", sampler).act(OBSERVATIONS)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    with pytest.raises(UserError, match=r"'qgbs' does not fit.*allowed: euler, best_of_n_euler$"):
        load_exported(tmp_path / "qc", "qgbs")
    with pytest.raises(UserError, match="no flow map"):
        export_run(run, results, tmp_path / "program", one_step=True)
    assert [path.name for path in tmp_path.iterdir()] == ["qc"]


@pytest.mark.slow
def test_the_program_is_the_one_step_policy_and_needs_no_fmq(
    fmq_run: Run, results: Path, exported: Path, tmp_path: Path
) -> None:
    policy = load_policy(fmq_run, "one_step", results, CPU)
    policy.generator.manual_seed(5)
    expected = policy.act(OBSERVATIONS)
    noise = torch.randn(1000, 1, 10, generator=torch.Generator().manual_seed(5))[:, 0]
    np.savez(tmp_path / "in.npz", observations=OBSERVATIONS.astype("f4"), noise=noise.numpy())
    code = (
        "import sys, numpy, torch; program, given, to = sys.argv[1:]\n"
        "act = torch.export.load(program).module()\n"
        "rows = [torch.as_tensor(value) for value in numpy.load(given).values()]\n"
        "one = act(*(value[:1] for value in rows))\n"
        "numpy.savez(to, all=act(*rows), one=one)\n"
        "assert 'fmq' not in sys.modules\n"
    )
    files = (exported / "one_step.pt2", tmp_path / "in.npz", tmp_path / "out.npz")
    subprocess.run([sys.executable, "-c", code, *map(str, files)], check=True, cwd=tmp_path)
    found = np.load(tmp_path / "out.npz")
    np.testing.assert_allclose(found["all"], expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found["one"], expected[:1], rtol=0, atol=1e-6)


def test_the_card_tells_scores_data_and_code(
    study: Study, results: Path, exported: Path, fmq_run: Run
) -> None:
    card = read_card(exported)
    assert (card.task, card.method, card.run, card.seed) == (
        study.tasks[0],
        "fmq",
        "finetune-fmq",
        0,
    )
    assert set(card.scores) == {"best_of_n", "qgbs"}
    for sampler, score in card.scores.items():
        path = evaluation_file(fmq_run, sampler, results)
        episodes = pd.read_csv(path)
        assert score.episodes == len(episodes) == study.evaluation.episodes
        assert score.mean_return == pytest.approx(episodes["return"].mean())
        assert score.success == pytest.approx(episodes["success"].mean())
        assert score.mean_length == pytest.approx(episodes["length"].mean())
    assert card.dataset is not None
    assert card.dataset["source"] == "scripted"
    folder = data_folder(fmq_run, results)
    for name, sha256 in card.dataset["files"].items():
        assert file_sha256(folder / name) == sha256
    assert card.made_by["run"]["packages"]["torch"] == torch.__version__


def test_the_same_run_gives_the_same_bytes(
    fmq_run: Run, results: Path, exported: Path, tmp_path: Path
) -> None:
    export_run(fmq_run, results, tmp_path / "again", one_step=True)
    names = sorted(path.name for path in exported.iterdir())
    assert names == sorted([CARD, WEIGHTS, README, "one_step.pt2"])
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes(), name


def test_the_command_tells_what_it_took_out(fmq_run: Run, results: Path, tmp_path: Path) -> None:
    settings, folder = tmp_path / "settings.json", tmp_path / "policy"
    settings.write_text(fmq_run.study.model_dump_json())
    place = ["--results", str(results), "--settings", str(settings), "--to", str(folder)]
    command = ["export", fmq_run.task.name, "--seed", "0", "--run", fmq_run.name, *place]
    told = CliRunner().invoke(app, command).stdout
    scores = read_card(folder).scores
    assert scores
    assert all(f"{score.success:.0%} by {name}" in told for name, score in scores.items())
    assert f"`fmq play {folder}`" in told


@pytest.mark.slow
def test_a_film_is_in_the_folder_and_on_its_page(
    fmq_run: Run, results: Path, tmp_path: Path, graphics: str
) -> None:
    settings, folder = tmp_path / "settings.json", tmp_path / "policy"
    settings.write_text(fmq_run.study.model_dump_json())
    fmq = [Path(sys.executable).with_name("fmq"), "export", fmq_run.task.name, "--film"]
    place = ["--results", results, "--settings", settings, "--to", folder]
    subprocess.run([*fmq, "--seed", "0", "--run", fmq_run.name, *place], check=True)
    with Image.open(folder / FILM) as film:
        assert film.n_frames == 24
        assert film.width == 4 * 240 + 3 * 4
    assert f"]({FILM})" in (folder / README).read_text()


def test_what_is_there_stays(fmq_run: Run, results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years")
    with pytest.raises(UserError, match="already exists"):
        export_run(fmq_run, results, folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_folder(tmp_path / "new") as folder:
            (folder / "half").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_scores_of_another_origin_are_refused(fmq_run: Run, results: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(results, tmp_path / "results"))
    record = evaluation_file(fmq_run, "qgbs", mine).with_suffix(".json")
    whole = json.loads(record.read_text())
    for key, told in (("hash", "other settings"), ("checkpoint", "another checkpoint")):
        record.write_text(json.dumps(whole | {key: "0" * 16}))
        with pytest.raises(UserError, match=rf"{told}.*; `fmq evaluate .*--sampler qgbs` makes"):
            export_run(fmq_run, mine, tmp_path / "policy")
    record.unlink()
    with pytest.raises(UserError, match=r"does not say how .* was made; `fmq evaluate "):
        export_run(fmq_run, mine, tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


def test_the_package_waits_for_torch_until_a_policy_is_asked_for(exported: Path) -> None:
    code = (
        "import fmq, sys; assert 'torch' not in sys.modules\n"
        "from fmq.acting.policy import Policy\n"
        "assert isinstance(fmq.load_policy(sys.argv[1]), Policy)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(exported)], check=True)
