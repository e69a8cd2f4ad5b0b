"""Reported results: the right number in the right place, and never among the study's own."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from helpers.analysing import analyse, make_study, set_latex, write_runs

from fmq.analysis.figures.curves import learning_curves
from fmq.analysis.figures.published_curves import reported_handles, reported_note
from fmq.analysis.figures.style import look
from fmq.analysis.inputs.published import (
    FMQ_ROW,
    STAGE_STEPS,
    beside,
    budget_words,
    reported_curves,
    reported_finals,
    reported_iqm,
)
from fmq.analysis.inputs.scores import load_scores
from fmq.analysis.inputs.words import shared_words
from fmq.analysis.tables.comparison import reported_entries, reported_words
from fmq.analysis.tables.render import Table, latex, markdown
from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.config.task_names import short_task_names

CUBE = "cube-triple-play-singletask-task4-v0"
ANT = "antmaze-giant-navigate-singletask-task5-v0"
POINT = "pointmaze-medium-navigate-singletask-task2-v0"


class Made(NamedTuple):
    """A study, and what became of its scores with and without reported results."""

    study: Study
    shown: Path
    hidden: Path


def hiding(study: Study) -> Study:
    return study.model_copy(update={"published": False})


def shows(**more: object) -> Study:
    """A study that shows reported results."""
    datasets = ("cube-triple-play-v0", "antmaze-giant-navigate-v0", "pointmaze-medium-navigate-v0")
    official = {name: {"source": "official"} for name in datasets}
    # Without FMQ+QGBS, which ties with it, FMQ is bold somewhere.
    changes = {"tasks": [CUBE, ANT, POINT], "samplers": ["mvp+qgbs"]} | more
    return make_study(published=True, datasets=official, **changes)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    study, folder = shows(), tmp_path_factory.mktemp("made")
    write_runs(study, folder / "results")
    shown, hidden = (
        analyse(one, folder / "results", folder / name)
        for name, one in (("shown", study), ("hidden", hiding(study)))
    )
    return Made(study, shown, hidden)


def body(path: Path) -> list[str]:
    """The lines of a LaTeX table between its outer rules."""
    lines = path.read_text().splitlines()
    return lines[lines.index(r"\toprule") : lines.index(r"\bottomrule")]


def test_the_files_hold_what_was_published() -> None:
    finals = reported_finals()
    fmq = finals[finals["row"] == FMQ_ROW]
    assert (len(fmq), fmq["task"].nunique(), fmq["label"].nunique()) == (60, 12, 5)
    assert not finals.duplicated(["task", "label", "row"]).any()
    for frame in (finals, reported_iqm(), reported_curves()):
        assert frame["value"].between(0, 1).all()
        known = frame.dropna(subset=["low", "high"])
        assert (known["low"] <= known["value"]).all()
        assert (known["value"] <= known["high"]).all()


def test_curves_end_with_the_final_value_of_their_authors() -> None:
    finals, curves = reported_finals(), reported_curves()
    own = finals[(finals["row"] != FMQ_ROW) & (finals["label"] == "QC")].set_index("task")["value"]
    last = curves[curves["position"] == 2].set_index("task")["value"]
    assert len(own) == 8
    assert last.to_dict() == own.to_dict()
    assert curves["position"].between(0, 2).all()


def test_each_number_says_whose_it_is(made: Made) -> None:
    table = pd.read_csv(made.shown / "tables" / "main.csv")
    reported = table[table["source"] != "this study"]
    assert set(reported["stage"]) == {"online"}
    cells = reported.set_index(["task", "label", "source"])["value"].to_dict()
    ours, again = "own report, arXiv 2605.12416", "reported in arXiv 2605.12416, {} re-run there"
    assert {key[1:]: value for key, value in cells.items() if key[0] == CUBE} == {
        ("FMQ", ours): 88.0,
        ("MVP", again.format("MVP")): 32.0,
        ("MVP+QGBS", again.format("MVP")): 37.0,
        ("QC", again.format("QC")): 37.0,
        ("MVP", "own report, arXiv 2602.13810"): 52.0,
        ("QC", "own report, arXiv 2507.07969"): 54.07,
    }
    assert set(reported["task"]) == {CUBE, ANT, "IQM"}
    assert cells["IQM", "QC", again.format("QC")] == 86.0


def test_markdown_puts_reported_values_under_their_method(made: Made) -> None:
    text = (made.shown / "tables" / "main.md").read_text().replace("\N{NO-BREAK SPACE}", " ")
    lines = text.splitlines()
    table = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines if line[:1] == "|"]
    rows = [dict(zip(table[0], cells, strict=True)) for cells in table[2:]]
    assert [row["task"] for row in rows] == [
        *("cube-triple task4", "*reported, FMQ paper*", "*reported, own paper*"),
        *("antmaze-giant task5", "*reported, FMQ paper*"),
        "pointmaze-medium task2",
        *("IQM", "*reported, FMQ paper*"),
    ]
    assert rows[1]["MVP+QGBS"] == "*37 ± 9*"
    assert (rows[2]["MVP"], rows[2]["QC"], rows[2]["FMQ"]) == ("*52*", "*54 [40, 65]*", "")
    assert rows[7]["FMQ"] == "*91 [89, 93]*"
    assert {row["MVP, no new data"] for row in rows if "reported" in row["task"]} == {""}


def test_our_own_numbers_are_the_same_with_and_without(made: Made) -> None:
    for path in sorted((made.hidden / "statistics").glob("*.csv")):
        assert path.read_bytes() == (made.shown / "statistics" / path.name).read_bytes()
    shown, hidden = (pd.read_csv(p / "tables" / "main.csv") for p in (made.shown, made.hidden))
    ours = shown[shown["source"] == "this study"].drop(columns="source").reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, hidden)
    lengths = [(p / "tables" / "length.csv").read_bytes() for p in (made.shown, made.hidden)]
    assert lengths[0] == lengths[1]


def test_without_them_the_table_is_the_rest(made: Made) -> None:
    shown, hidden = (body(folder / "tables" / "main.tex") for folder in (made.shown, made.hidden))
    assert [line for line in shown if r"\itshape" not in line] == hidden
    assert any("boldmath" in line for line in hidden)
    for path in (made.hidden / "tables").iterdir():
        assert "reported" not in path.read_text()
        assert "source" not in path.read_text().splitlines()[0]


def test_reported_values_are_never_bold(made: Made) -> None:
    table = pd.read_csv(made.shown / "tables" / "main.csv")
    assert not table.loc[table["source"] != "this study", "best"].any()
    reported = [line for line in body(made.shown / "tables" / "main.tex") if "itshape" in line]
    reported += [
        line
        for line in (made.shown / "tables" / "main.md").read_text().splitlines()
        if line.startswith("| *")
    ]
    assert reported
    assert not any("bold" in line or "**" in line for line in reported)


def test_the_caption_warns_of_another_budget(made: Made) -> None:
    caption = (made.shown / "tables" / "main.md").read_text().splitlines()[0]
    assert "10,000 offline and 8,000 online steps: the reported" in caption
    assert "not run here" in caption
    stages = ("offline", "online")
    full = made.study.model_copy(
        update={
            name: getattr(made.study, name).model_copy(update={"steps": STAGE_STEPS})
            for name in stages
        }
    )
    assert budget_words(full) == ""
    half = full.model_copy(update={"online": made.study.online})
    assert "8,000 online" in budget_words(half)


def test_nothing_is_said_of_the_training_of_policies_that_are_all_imported(root: Path) -> None:
    """As released, offline runs are shared; here nothing is trained, with whatever budget."""
    names = (
        "config.yaml",
        *(f"config/{name}.yaml" for name in ("paper", "as_released", "authors")),
    )
    study = load_study(*(root / name for name in names))
    other = study.online.model_copy(update={"steps": 8000})
    study = study.model_copy(update={"online": other})
    assert not study.trained_methods
    assert study.offline.shared
    assert (budget_words(study), shared_words(study)) == ("", "")


def test_a_study_without_published_tasks_shows_nothing() -> None:
    study = shows(tasks=[POINT])
    assert beside(study, reported_finals()).empty
    assert reported_handles(study) == []
    assert reported_note(study) == ""


def test_only_methods_of_the_study_are_shown() -> None:
    study = shows(methods=["mvp"], samplers=[])
    assert set(beside(study, reported_finals())["label"]) == {"MVP"}
    assert [handle.get_label() for handle in reported_handles(study)] == [
        "reported final value (arXiv 2605.12416)"
    ]


def test_a_method_that_reproduces_one_of_the_papers_has_its_source() -> None:
    theirs = {"label": "QC, theirs", "files": "{task}-{seed}.pkl", "reproduces": "qc"}
    study = shows(imported={"theirs": theirs}, methods=["fmq", "theirs"], samplers=[])
    labels = [handle.get_label() for handle in reported_handles(study)]
    assert "QC, theirs, reported (arXiv 2507.07969)" in labels
    assert "Own paper: QC's arXiv 2507.07969." in reported_words(study, reported_entries(study))


def test_curves_gain_a_dashed_line_and_open_markers(made: Made) -> None:
    scores = load_scores(made.study, made.shown / "scores.csv")
    figure = learning_curves(made.study, scores)
    plain = learning_curves(hiding(made.study), scores)
    added = {
        task: [line.get_xydata() for line in after.lines[len(before.lines) :]]
        for task, before, after in zip(made.study.tasks, plain.axes, figure.axes, strict=True)
    }
    curve, *markers = added[CUBE]
    assert curve[[0, 10, 20], 0] == pytest.approx([0, 1, 2])
    assert curve[[0, 10, 20], 1] == pytest.approx([0, 0.5, 54.07])
    assert [point[0, 1] for point in markers] == pytest.approx([88, 32, 37])
    assert [len(point) for point in added[ANT]] == [1, 1, 1]
    assert not any(len(points) for points in added[POINT])
    for axis in figure.axes:
        assert (
            max(line.get_xydata()[:, 0].max(initial=0) for line in axis.lines) < axis.get_xlim()[1]
        )
    colors = [line.get_color() for line in figure.axes[0].lines[len(plain.axes[0].lines) :]]
    assert colors == [look(name).color for name in ("qc", "fmq", "mvp", "qc")]
    texts = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {label for label in texts if "reported" in label} == {
        "QC, reported (arXiv 2507.07969)",
        "reported final value (arXiv 2605.12416)",
    }
    assert not any("reported" in text.get_text() for text in plain.legends[0].get_texts())


@pytest.fixture(scope="module")
def paper_table() -> Table:
    """All the tasks of the paper, with its own values in the place of a study's."""
    finals = reported_finals()
    numbers = ["value", "deviation", "low", "high"]
    finals[numbers] *= 100
    entries = finals[finals["row"] == FMQ_ROW].assign(best=0, note="")
    both = pd.concat([entries.assign(stage=stage) for stage in ("offline", "online")])
    names = short_task_names(list(entries["task"].unique()))
    return Table("tab:all", "A caption", "100% & more " * 30, names, both, finals)


def test_names_of_reported_rows_are_escaped(paper_table: Table) -> None:
    odd = paper_table.reported.assign(row="a_b & 5%")
    text = "\n".join(latex(paper_table._replace(reported=odd)))
    assert r"a\_b \& 5\%" in text
    assert "a_b" not in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_the_twelve_tasks_fit_on_a_page(paper_table: Table, tmp_path: Path) -> None:
    lines = [r"% \usepackage{booktabs}", *latex(paper_table)]
    (tmp_path / "table.tex").write_text("\n".join(lines))
    told = set_latex(tmp_path, tmp_path / "table.tex")
    assert "Overfull" not in told
    assert "Float too large" not in told
    assert "".join(markdown(paper_table)).count("*reported, own paper*") == 8
