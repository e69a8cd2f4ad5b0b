"""The words of a command line mean what files and Snakemake's command line mean."""

import re
from pathlib import Path

import pytest
from helpers.refusals import refusal

from fmq.config.reading import load_study
from fmq.config.words import sort_words, study_of


@pytest.fixture(autouse=True)
def _in_a_clone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["fmq.eta=0.5"], "fmq: {eta: 0.5}"),
        (["training.batch_size=0x80", "training.capture=true"],
         "training: {batch_size: 128, capture: true}"),
        (["seeds=[010, 0x3]", "data_dir=null", "name=on"], "seeds: [10, 3]\ndata_dir:\nname: 'on'"),
        (["fmq={eta: 0.5}", "fmq.beta=2"], "fmq: {eta: 0.5, beta: 2}"),
        (["data_dir="], "data_dir: null"),
    ],
)  # fmt: skip
def test_overrides_mean_what_a_file_means(words: list[str], text: str, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text)
    assert study_of(words) == load_study(Path("config.yaml"), overlay)


def test_overrides_lie_over_all_files() -> None:
    files = [Path("config.yaml"), Path("config/smoke.yaml")]
    expected = load_study(*files, given={"seeds": [7]})
    for words in (["smoke", "seeds=[7]"], ["seeds=[7]", "config.yaml", "config/smoke.yaml"]):
        assert study_of(words) == expected


@pytest.mark.parametrize(
    "words",
    [
        ["fmq.etta=0.5"],
        ["fmq.eta.x=0.5"],
        ["fmq.eta=-1"],
        ["fmq.=1"],
        [".fmq=1"],
        ["seeds=[0"],
        ["fmq={eta: 1, eta: 2}"],
        ["fmq.eta=0.5", "fmq.eta=1"],
        ["fmq.eta=0.5", "fmq={eta: 1}"],
        ["fmq=5", "fmq.eta=0.5"],
        ["published=!!bool x"],
        ['seed=!!float ""'],
        [f"seeds={'[' * 3000}"],
        ["none.yaml"],
        ["diagnose"],
        ["paper"],
        ["smoke", "results/scores.csv"],
    ],
)
def test_a_wrong_word_is_refused(words: list[str]) -> None:
    assert re.split("[.=]", words[-1].strip("."))[0] in refusal(study_of, words)


def test_overlays_and_targets_are_told_apart() -> None:
    given = ["results/tables/main.csv", "smoke.yaml", "theory", "results/studies/a-1/settings.json"]
    given += ["results/runs/t/seed0/x-1/provenance.json", "config/paper.yaml", "results/a=b.pdf"]
    words = sort_words(given, targets=True)
    assert list(map(str, words.files)) == ["config/smoke.yaml", given[3], given[5]]
    assert list(words.targets) == [given[0], given[2], given[4], given[6]]


def test_a_name_is_a_rule_s_before_it_is_an_overlay_s(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.yaml", "theory.yaml"):
        Path(name).write_text("{}")
    words = sort_words(["theory", "mine", "paper", "smoke", "none"], targets=True, folder=root)
    assert words.files == (Path("mine.yaml"), root / "config/smoke.yaml")
    assert words.targets == ("theory", "paper", "none")


def test_elsewhere_the_study_is_the_package_s(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = study_of(["smoke", "paper.yaml"])
    monkeypatch.chdir(tmp_path)
    assert study_of(["smoke.yaml", "config/paper.yaml"]) == here
    assert study_of([str(root / "config.yaml"), "fmq.eta=2"]).fmq.eta == 2
    Path("smoke.yaml").write_text("seeds: [7]")
    assert (study_of(["smoke"]).name, study_of(["smoke"]).seeds) == ("default", [7])
