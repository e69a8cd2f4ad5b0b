"""Tables are made of scores and statistics of the same settings, and of each other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.analysing import make_study

from fmq.analysis.figures.comparison import write_figures
from fmq.analysis.inputs.scores import write_scores
from fmq.analysis.statistics.aggregates import write_statistics
from fmq.analysis.tables.comparison import write_tables
from fmq.base.errors import UserError
from fmq.config.study import Study


@pytest.fixture
def made(analysed: Path, tmp_path: Path) -> Path:
    """Scores and statistics of the study, to be changed."""
    folder = Path(shutil.copytree(analysed, tmp_path / "made"))
    shutil.rmtree(folder / "tables")
    return folder


def refusal(function: Callable[..., None], *arguments: object) -> str:
    with pytest.raises(UserError) as error:
        function(*arguments)
    return str(error.value)


def test_scores_of_other_settings_make_no_statistics(made: Path) -> None:
    other = make_study(seed=7)
    shutil.rmtree(made / "statistics")
    told = refusal(write_statistics, other, made)
    assert "scores.csv: made with other settings" in told
    assert told.endswith("run `fmq scores` again")
    assert not (made / "statistics").exists()


@pytest.mark.parametrize("write", [write_tables, write_figures])
def test_statistics_of_other_settings_make_no_tables_or_figures(
    write: Callable[..., None], results: Path, made: Path
) -> None:
    other = make_study(published=True)
    write_scores(other, results, made)
    told = refusal(write, other, made)
    assert "made with other settings" in told
    assert told.endswith("run `fmq statistics` again")
    assert not (made / "tables").exists()
    assert not (made / "figures").exists()


@pytest.mark.parametrize("write", [write_tables, write_figures])
def test_statistics_of_older_scores_make_no_tables_or_figures(
    write: Callable[..., None], study: Study, made: Path
) -> None:
    scores = made / "scores.csv"
    text = scores.read_text()
    changed = text.replace(",0.", ",0.0", 1)
    assert changed != text
    scores.write_text(changed)
    told = refusal(write, study, made)
    assert "not computed from" in told


def test_a_table_without_its_metadata_is_refused(study: Study, made: Path) -> None:
    metadata = made / "scores.csv-metadata.json"
    for text in ("{}", json.dumps({"notes": [{"study": 1}]})):
        metadata.write_text(text)
        told = refusal(write_statistics, study, made)
        assert "has no record of the table's settings" in told
