"""Names, captions and sources may hold any text: LaTeX, Markdown and HTML show it as it is."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.analysing import set_latex
from helpers.workflows import ROOT
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from fmq.analysis.figures.drawing import footnote, save_figure
from fmq.analysis.tables.escape import escape_latex, escape_markdown
from fmq.analysis.tables.render import Table, write_comparison

NASTY = (
    "50% of $x_1$ & {y} #1 ~ ^ \\input{/etc/passwd}\n\n\\end{table} | <script>alert(1)</script> "
    "ÉßÿČčĎďĚěŇňŘřŠšŤťŮůŽžĆćŁłŃńŚśŹźŻżŐőŰűŒœ ąđðþħ« β-Δ Ж 漢 – "
    "`code` *bold* _low_ [a](b) ![c](d) &lt;\x00\x1b\u2028\t<!-- "
)
PROVENANCE: dict[str, Any] = {
    "study": {"name": NASTY, "sha256": "0" * 64},
    "commit": None,
    "imported": {NASTY: NASTY},
    "datasets": [{"name": NASTY, "source": NASTY, "sha256": {NASTY: NASTY}}],
    "versions": {"fmq": NASTY},
    "python": NASTY,
}


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, without its suffix, all of whose text wants to break out of its cell."""
    numbers = {"value": 5.0, "deviation": 1.0, "low": 4.0, "high": 6.0, "best": 0}
    rows = [
        {"task": "t", "label": label, "stage": stage, "note": "n=2", **numbers}
        for label in (NASTY, f"other {NASTY}")
        for stage in ("offline", "online")
    ]
    reported = pd.DataFrame([{"task": "t", "label": NASTY, "row": NASTY, **numbers}])
    table = Table("tab:nasty", NASTY, NASTY, {"t": NASTY}, pd.DataFrame(rows), reported)
    path = tmp_path_factory.mktemp("nasty") / "table"
    write_comparison(path, table, PROVENANCE)
    return path


def test_latex_has_every_sign_of_our_own_words() -> None:
    """Those of a user's names may become numbers; ours may not."""
    for path in (ROOT / "src/fmq/analysis").rglob("*.py"):
        if path.name != "escape.py":
            text = path.read_text(encoding="utf-8")
            assert "U+" not in escape_latex(text), path


def test_markdown_keeps_its_cells_and_has_no_html(nasty: Path) -> None:
    text = nasty.with_suffix(".md").read_text()
    lines = text.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert [line.replace("\\|", "").count("|") for line in table] == [4, 4, 4, 4]
    assert "<" not in text
    assert ">" not in text
    assert "`code`" not in text.replace("\\`", "")
    # Numbers of a cell hold together by spaces that do not break.
    assert text.replace("\N{NO-BREAK SPACE}", " ").replace("\n", "").isprintable()
    # Caption, table, heading and a list: nothing became a paragraph of its own.
    assert lines.count("") == 3
    assert lines[lines.index("Provenance:") + 2 :] == [line for line in lines if line[:2] == "- "]


def test_latex_keeps_its_comments_and_has_no_commands(nasty: Path) -> None:
    text = nasty.with_suffix(".tex").read_text()
    before, _, after = text.partition(r"\begin{table}")
    assert all(line.startswith("% ") for line in before.splitlines())
    assert r"\input" not in after
    assert after.count(r"\end{table}") == 1
    assert "\n\n" not in after


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_with_any_text_compiles(nasty: Path, tmp_path: Path) -> None:
    set_latex(tmp_path, nasty.with_suffix(".tex"))


@given(st.text())
def test_escaped_text_is_one_printable_line(text: str) -> None:
    for escaped in (escape_latex(text), escape_markdown(text)):
        assert escaped == "" or escaped.isprintable()
    assert "|" not in escape_markdown(text).replace("\\|", "").replace("\\\\", "")


@given(st.text())
def test_markdown_escapes_can_be_undone(text: str) -> None:
    plain = "".join(sign for sign in " ".join(text.split()) if sign.isprintable())
    undone, signs = "", iter(escape_markdown(text))
    for sign in signs:
        undone += next(signs) if sign == "\\" else sign
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        undone = undone.replace(entity, sign)
    assert undone == plain


def test_letters_that_latex_lacks_do_not_stop_it() -> None:
    assert escape_latex("β-FMQ, Größe – Ж") == r"\ensuremath{\beta}-FMQ, Größe – U+0416"


def test_plain_names_stay_as_they_are() -> None:
    for name in (
        "can-mh-low_dim",
        "QC, 5 seeds; 95% (v1.0)",
        "cube-double-play-v0.npz",
        "a ± b → c",
    ):
        assert escape_markdown(name) == name


@pytest.mark.drawn
def test_a_figure_takes_dollars_for_dollars(tmp_path: Path) -> None:
    figure = Figure()
    footnote(figure, r"costs $5 and $\frac{ more")
    save_figure(figure, tmp_path / "figure", "title", PROVENANCE)
    assert (tmp_path / "figure.pdf").stat().st_size > 100
