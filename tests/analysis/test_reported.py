"""A study's success beside the reported: which numbers are paired, and when intervals meet."""

import math
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import t

from fmq.analysis.tables.reported import compared, write_reported
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.config.task_names import short_task_names
from fmq.config.tasks import IQM
from fmq.pipeline.variants import row_label

CUBE = "cube-triple-play-singletask-task3-v0"  # reported: 78 ± 10, and 84 ± 4 with QGBS
HALF = t.ppf(0.975, 4) * 10 / math.sqrt(5)


@pytest.fixture
def authors(root: Path) -> Study:
    names = ("config.yaml", "config/paper.yaml", "config/authors.yaml")
    return load_study(*(root / name for name in names))


def entries(study: Study, value: float, width: float = 1.0) -> pd.DataFrame:
    """The same success everywhere, as the main table has it."""
    rows = [
        {
            **{"task": task, "label": row_label(study, "authors", sampler), "stage": stage},
            **{"method": "authors", "sampler": sampler, "value": value, "runs": 5},
            **{"low": value - width, "high": value + width},
        }
        for task, stage, sampler in product(
            [*study.tasks, IQM], ("offline", "online"), ("best_of_n", "qgbs")
        )
    ]
    return pd.DataFrame(rows)


def test_each_policy_stands_beside_its_own_number(authors: Study) -> None:
    found = compared(authors, entries(authors, 80))
    assert len(found) == 2 * (12 + 1)
    cube = found[found["task"] == CUBE].set_index("label")
    assert list(cube["reported"]) == [78, 84]
    assert list(cube["difference"]) == [2, -4]
    first = cube.loc["FMQ, authors'"]
    assert first["reported_low"] == pytest.approx(78 - HALF)
    assert first["reported_high"] == pytest.approx(78 + HALF)
    iqm = found[found["task"] == IQM]
    assert list(iqm["reported"]) == [91, 93]
    assert list(iqm["reported_low"]) == [89, 91]
    assert list(iqm["meet"]) == [0, 0]


@pytest.mark.parametrize(
    ("value", "meet"),
    [
        (78 + HALF + 1.4, 1),  # the interval of ours, 1 wide, and half a percent of rounding
        (78 + HALF + 1.6, 0),
        (78 - HALF - 1.4, 1),
        (78 - HALF - 1.6, 0),
        (math.nan, None),
    ],
)
def test_intervals_meet_in_a_point(authors: Study, value: float, meet: int | None) -> None:
    found = compared(authors, entries(authors, value))
    row = found[(found["task"] == CUBE) & (found["sampler"] == "best_of_n")].iloc[0]
    assert pd.isna(row["meet"]) if meet is None else row["meet"] == meet


def test_the_iqm_of_other_tasks_is_left_out(authors: Study) -> None:
    some = authors.model_copy(update={"tasks": authors.tasks[:3]})
    found = compared(some, entries(some, 80))
    assert list(dict.fromkeys(found["task"])) == authors.tasks[:3]
    nothing = compared(authors.model_copy(update={"published": False}), entries(authors, 80))
    assert nothing.empty


def test_a_missing_run_is_a_dash(authors: Study, tmp_path: Path) -> None:
    names = short_task_names(authors.tasks) | {IQM: IQM}
    provenance = {
        **{"study": {"name": "authors", "sha256": "0" * 64}, "commit": None, "imported": {}},
        **{"datasets": [], "versions": {}, "python": "3"},
    }
    missing = entries(authors, math.nan).assign(runs=0)
    write_reported(authors, missing, names, tmp_path / "reported", provenance)
    lines = (tmp_path / "reported.md").read_text().splitlines()
    (line,) = (one for one in lines if one.startswith("| cube-triple task3 | FMQ, authors' |"))
    assert line.split(" | ")[2] == "–"
    assert line.split(" | ")[4:6] == ["–", "–"]
    assert "Unfinished: some of ours are over fewer seeds." in lines[0]
