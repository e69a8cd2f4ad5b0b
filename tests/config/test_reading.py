"""Settings mean the same whatever path they take: a file, an overlay, Snakemake's command line."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.refusals import refusal
from snakemake.cli import parse_config
from snakemake.settings.types import ConfigSettings

from fmq.config.reading import load_study, refuse_missing
from fmq.config.study import Study
from fmq.pipeline.rules import read_config


def through_snakemake(root: Path, *files: Path, config: list[str] | None = None) -> Study:
    """The study that the Snakefile reads, given files and ``--config``."""
    given = ConfigSettings(config=parse_config(config), configfiles=files)
    modifier = SimpleNamespace(is_main_snakefile=lambda: True)
    return read_config(SimpleNamespace(config_settings=given, modifier=modifier), str(root))


def test_a_module_is_refused_as_its_settings_would_be_passed_over(root: Path) -> None:
    modifier = SimpleNamespace(is_main_snakefile=lambda: False)
    workflow = SimpleNamespace(config_settings=ConfigSettings(), modifier=modifier)
    assert "module" in refusal(read_config, workflow, str(root))


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("allow_missing", "true", True),
        ("seed", "010", 10),
        ("seed", "0x10", 16),
        ("seed", "+7", 7),
        ("name", "on", "on"),
        ("name", "2026-01-01", "2026-01-01"),
        ("name", "'010'", "010"),
        ("data_dir", "null", None),
        ("data_dir", "~", None),
        ("training.learning_rate", "1e-3", 1e-3),
        ("training.learning_rate", ".5", 0.5),
        ("training.capture", "true", True),
        ("offline.steps", "3_000", 3000),
        ("seeds", "[010, 0x3]", [10, 3]),
    ],
)
def test_the_same_text_means_the_same(
    root: Path, tmp_path: Path, key: str, text: str, value: Any
) -> None:
    section, _, setting = key.rpartition(".")
    file, option = (f"{key}: {text}", f"{key}={text}")
    if section:
        file, option = (f"{section}: {{{setting}: {text}}}", f"{section}={{{setting}: {text}}}")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(file)
    studies = [
        load_study(root / "config.yaml", overlay),
        through_snakemake(root, overlay),
    ]
    if "'" not in text:  # Snakemake takes the quotes of its command line away
        studies.append(through_snakemake(root, config=[option]))
    for study in studies:
        place = getattr(study, section) if section else study
        assert getattr(place, setting) == value
        assert type(getattr(place, setting)) is type(value)


@pytest.mark.parametrize("text", ["allow_missing: no", "tracker: off", "seed: 1:30", "name: 010"])
def test_the_same_text_is_refused_alike(root: Path, tmp_path: Path, text: str) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text)
    told = refusal(load_study, root / "config.yaml", overlay)
    assert refusal(through_snakemake, root, overlay) == told
    option = text.replace(": ", "=")
    given = refusal(through_snakemake, root, config=[option])
    assert given.partition("config.yaml, --config: ")[2] == told.partition("overlay.yaml: ")[2]


@pytest.mark.parametrize(
    "text",
    [
        "fmq: {eta: 0.5}\nfmq: {beta: 1.0}",
        "fmq: {eta: 0.5, eta: 1.0}",
        '{"fmq": {"eta": 0.5, "eta": 1.0}}',
        "seeds: &mine [0, *mine]",
        "fmq: {<<: {eta: 0.5}}",
    ],
)
def test_what_files_must_not_have_is_refused_by_snakemake_too(
    root: Path, tmp_path: Path, text: str
) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text)
    told = refusal(load_study, root / "config.yaml", overlay)
    assert refusal(through_snakemake, root, overlay) == told


def test_an_alias_stands_for_its_value(root: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("training: {log_every: &often 7}\nonline: {evaluate_every: *often}")
    for study in (load_study(root / "config.yaml", overlay), through_snakemake(root, overlay)):
        assert (study.training.log_every, study.online.evaluate_every) == (7, 7)


@pytest.mark.parametrize("option", ["--configfile", "--configfiles", "--configfile=x", "--configf"])
def test_overlays_named_in_two_places_are_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr("sys.argv", ["snakemake", "--configfile", "a.yaml", option, "b.yaml"])
    assert "twice" in refusal(through_snakemake, root)


def test_settings_that_jobs_read_may_be_longer_than_what_people_write(
    root: Path, tmp_path: Path
) -> None:
    study = load_study(root / "config.yaml")
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(study.model_dump(), indent=1000))
    assert path.stat().st_size > 200_000
    assert load_study(path) == study
    path.write_text(path.read_text() + "# no longer JSON")
    assert "too large" in refusal(load_study, path)


def test_variables_in_paths(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("data_dir: $PLACE/data\n")
    monkeypatch.setenv("PLACE", str(tmp_path))
    study = load_study(root / "config.yaml", overlay)
    assert study.copies == tmp_path / "data"
    assert str(tmp_path / "data") in refusal(refuse_missing, study)
    (tmp_path / "data").mkdir()
    refuse_missing(study)
    monkeypatch.delenv("PLACE")
    assert "PLACE" in refusal(refuse_missing, study)


def test_variables_in_patterns_of_policies(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay = tmp_path / "overlay.yaml"
    row = "{label: Theirs, files: '${PLACE}/{task}-{seed:02d}.pkl'}"
    overlay.write_text(f"methods: [theirs]\nsamplers: []\nimported: {{theirs: {row}}}\n")
    monkeypatch.setenv("PLACE", str(tmp_path))
    study = load_study(root / "config.yaml", overlay)
    assert study.imported["theirs"].file("lift", 3) == tmp_path / "lift-03.pkl"
