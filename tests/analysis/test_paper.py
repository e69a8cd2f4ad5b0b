"""One document of all tables and figures, set by a real LaTeX where there is one."""

import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from fmq.analysis.evidence.paper import COMPILER, PARTS, write_paper
from fmq.analysis.inputs.provenance import collect_provenance
from fmq.analysis.tables.listing import Listing, write_listing
from fmq.base.errors import UserError
from fmq.config.study import Study

pytestmark = pytest.mark.drawn

SIGNS = "100% of $x_1$ & {y} ~ ^ \\ # 3 → 4 ± 1 – “quoted”"


@pytest.fixture
def results(study: Study, manifest: Path, tmp_path: Path) -> Path:
    """A stand-in for every table and figure, with all signs that LaTeX minds."""
    provenance = collect_provenance(study, [manifest])
    for part in PARTS:
        for table in part.tables:
            (tmp_path / table).parent.mkdir(exist_ok=True)
            listing = Listing(f"tab:{Path(table).name}", SIGNS, ["", SIGNS], [[SIGNS, "1"]])
            write_listing(tmp_path / table, listing, provenance)
        for figure in part.figures:
            (tmp_path / figure).parent.mkdir(exist_ok=True)
            Figure(figsize=(2, 1)).savefig(tmp_path / f"{figure}.pdf")
    return tmp_path


def test_what_is_missing_is_named(study: Study, manifest: Path, results: Path) -> None:
    (results / "theory" / "map.pdf").unlink()
    with pytest.raises(UserError, match=r"theory/map\.pdf missing; `snakemake paper` makes"):
        write_paper(study, results, [manifest])
    assert not (results / "paper.tex").exists()


def test_without_a_tex_the_text_is_written(
    study: Study, manifest: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(results))
    write_paper(study, results, [manifest])
    assert not (results / "paper.pdf").exists()
    text = (results / "paper.tex").read_text()
    for part in PARTS:
        assert all(rf"\input{{{table}.tex}}" in text for table in part.tables)
        assert all(f"{{{figure}.pdf}}" in text for figure in part.figures)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason="no LaTeX here")
def test_the_document_is_set(study: Study, manifest: Path, results: Path) -> None:
    write_paper(study, results, [manifest])
    assert (results / "paper.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason="no LaTeX here")
def test_what_latex_stops_at_is_told(study: Study, manifest: Path, results: Path) -> None:
    (results / "tables" / "main.tex").write_text(r"\undefined")
    with pytest.raises(UserError, match=r"paper\.tex: pdflatex stopped: ! Undefined control"):
        write_paper(study, results, [manifest])
    assert not (results / "paper.pdf").exists()
