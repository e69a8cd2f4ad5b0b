"""Tables: the rule for bold, the numbers, and what LaTeX would choke on."""

import json
import re
import shutil
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from helpers.analysing import analyse, make_study, set_latex, write_runs
from hypothesis import given
from hypothesis import strategies as st

from fmq.analysis.inputs.scores import STAGES, final_scores, load_scores
from fmq.analysis.tables.comparison import clear_best, write_tables
from fmq.analysis.tables.escape import escape_latex
from fmq.analysis.tables.render import Table, latex, write_comparison
from fmq.config.study import Study

intervals = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair))),
    min_size=1,
    max_size=6,
).map(lambda pairs: pd.DataFrame(pairs, columns=["low", "high"]))


@given(intervals)
def test_bold_is_beyond_all_others(entries: pd.DataFrame) -> None:
    flags = clear_best(entries, runs=3)
    assert sum(flags) <= 1
    if any(flags):
        best = flags.index(True)
        others = entries.drop(index=best)
        assert (entries["low"][best] > others["high"]).all()
    else:
        clear = [
            (low > entries["high"].drop(index=place)).all()
            for place, low in enumerate(entries["low"])
        ]
        assert len(entries) == 1 or not any(clear)


@given(intervals)
def test_bold_of_less_is_bold_of_the_mirrored(entries: pd.DataFrame) -> None:
    mirrored = pd.DataFrame({"low": -entries["high"], "high": -entries["low"]})
    assert clear_best(entries, 5, larger=False) == clear_best(mirrored, 5)


def test_too_few_runs_or_no_interval_decide_nothing() -> None:
    apart = pd.DataFrame({"low": [0.9, 0.1], "high": [1.0, 0.2]})
    assert clear_best(apart, runs=3) == [True, False]
    assert clear_best(apart, runs=2) == [False, False]
    assert clear_best(apart.assign(low=float("nan")), runs=3) == [False, False]


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_escaped_text_has_no_bare_specials(text: str) -> None:
    escaped = escape_latex(text)
    for command in (
        "textbackslash",
        "textasciitilde",
        "textasciicircum",
        "textless",
        "textgreater",
    ):
        escaped = escaped.replace(rf"\{command}{{}}", "")
    escaped = escaped.replace(r"\textbar{}", "")
    for sign in "&%$#_{}":
        escaped = escaped.replace(f"\\{sign}", "")
    assert not set(escaped) & set("\\&%$#_{}~^")


def test_csv_has_the_numbers_of_the_scores(study: Study, analysed: Path) -> None:
    table = pd.read_csv(analysed / "tables" / "main.csv")
    final = final_scores(study, load_scores(study, analysed / "scores.csv"), "online")
    for task in study.tasks:
        scores = final[
            (final["task"] == task) & (final["method"] == "mvp") & (final["sampler"] == "qgbs")
        ]["success"]
        entry = table[
            (table["task"] == task) & (table["label"] == "MVP+QGBS") & (table["stage"] == "online")
        ]
        assert entry["value"].item() == pytest.approx(100 * scores.mean())
        assert entry["deviation"].item() == pytest.approx(100 * scores.std(ddof=1))
    assert set(table["task"]) == {*study.tasks, "IQM"}
    assert not (analysed / "tables" / "length.csv").read_text().count("IQM")


def test_every_form_says_where_the_data_are_from(analysed: Path) -> None:
    for name in ("main", "length"):
        for suffix in (".tex", ".md"):
            text = (analysed / "tables" / f"{name}{suffix}").read_text()
            assert "not the official data set" in text
            assert "0" * 64 in text
            assert "3 seeds, 20 episodes" in text
        metadata = json.loads((analysed / "tables" / f"{name}.csv-metadata.json").read_text())
        assert metadata["notes"][0]["datasets"][0]["source"].startswith("made up")


def test_markdown_has_a_line_per_task_and_the_aggregate(study: Study, analysed: Path) -> None:
    lines = (analysed / "tables" / "main.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ")][2:]
    assert [row.split(" | ")[0] for row in rows] == [
        "| pointmaze-medium task2",
        "| pointmaze-medium task4",
        "| IQM",
    ]
    assert {row.count("|") for row in rows} == {8}


def test_numbers_do_not_wrap_in_markdown(analysed: Path) -> None:
    """Neither within a mean with its deviation nor within an interval."""
    lines = (analysed / "tables" / "main.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ")][2:]
    assert "±" in rows[0]
    assert "[" in rows[-1]
    for row in rows:
        assert re.search(r"\d [±\[]|[±→] |, \d", row) is None


def test_latex_has_a_short_caption_and_names_its_packages(analysed: Path) -> None:
    text = (analysed / "tables" / "main.tex").read_text()
    assert text.splitlines()[0] == r"% \usepackage{booktabs}"
    (caption,) = re.findall(r"\\caption\{(.*)\}", text)
    assert len(caption) < 200  # three lines of an article
    assert text.index("not the official data set", text.index(r"\bottomrule"))


def test_tables_are_the_same_twice(
    study: Study, analysed: Path, manifest: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(analysed, tmp_path / "again")
    write_tables(study, folder, [manifest])
    for path in (folder / "tables").iterdir():
        assert path.read_bytes() == (analysed / "tables" / path.name).read_bytes()


def test_one_seed_says_so(manifest: Path, tmp_path: Path) -> None:
    study = make_study(seeds=[0])
    write_runs(study, tmp_path / "results")
    analyse(study, tmp_path / "results", tmp_path, [manifest])
    for suffix in (".tex", ".md"):
        text = (tmp_path / "tables" / f"main{suffix}").read_text()
        assert "One seed" in text
        assert re.search(r"\bnan\b", text) is None
        assert "boldmath" not in text
        assert "**" not in text


def made_up(labels: int) -> Table:
    """The widest entries of so many rows on twelve tasks."""
    tasks = [f"humanoidmaze-medium task{number}" for number in range(12)]
    places = product([*tasks, "IQM"], STAGES, [f"FMQ {number}" for number in range(labels)])
    entries = pd.DataFrame(places, columns=["task", "stage", "label"])
    entries = entries.assign(value=100.0, deviation=20.0, low=88.0, high=100.0, best=0, note="")
    entries.loc[entries["task"] == "IQM", "deviation"] = float("nan")
    names = {name: name for name in (*tasks, "IQM")}
    reported = pd.DataFrame(columns=["task", "label", "row"])
    return Table(f"tab:{labels}", "caption", "note", names, entries, reported)


def test_latex_has_a_column_per_stage_where_there_is_room() -> None:
    three, six = ("\n".join(latex(made_up(labels))) for labels in (3, 6))
    assert "{@{}lrrrrrr@{}}" in three
    assert three.count(r"\multicolumn{2}{c}") == three.count(r"\cmidrule") == 3
    assert r"$\to$" not in three
    assert three.count(r"\midrule") == 2  # below the head, and above the aggregate
    assert "{@{}lrrrrrr@{}}" in six
    assert six.count(r"$\to$") == 6 * 13
    assert "multicolumn" not in six


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_twelve_tasks_fit_a_page(analysed: Path, tmp_path: Path) -> None:
    """With few rows, with many, and with so many that the table is shrunk."""
    provenance = json.loads((analysed / "tables/main.csv-metadata.json").read_text())["notes"][0]
    for labels in (3, 6, 9):
        write_comparison(tmp_path / f"of_{labels}", made_up(labels), provenance)
    tables = [analysed / "tables" / f"{name}.tex" for name in ("main", "length")]
    told = set_latex(tmp_path, *tables, *sorted(tmp_path.glob("of_*.tex")))
    assert "Overfull" not in told
    assert "Float too large" not in told
    assert "(5 pages" in told
