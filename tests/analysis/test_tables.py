"""Tables: the rule for bold, the numbers, and what LaTeX would choke on."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from helpers.analysing import analyse, make_study, set_latex, write_runs
from hypothesis import given
from hypothesis import strategies as st

from fmq.analysis.inputs.scores import final_scores, load_scores
from fmq.analysis.tables.comparison import clear_best, write_tables
from fmq.analysis.tables.escape import escape_latex
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
        assert re.search(r"\d [±\[]|± |, \d", row) is None


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


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(analysed: Path, tmp_path: Path) -> None:
    tables = (analysed / "tables" / f"{name}.tex" for name in ("main", "length"))
    assert "Overfull" not in set_latex(tmp_path, *tables)
