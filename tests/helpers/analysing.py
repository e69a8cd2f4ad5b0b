"""From made-up runs to scores, statistics and tables, and from LaTeX to a page."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from fmq.analysis.inputs.scores import write_scores
from fmq.analysis.statistics.aggregates import write_statistics
from fmq.analysis.tables.comparison import write_tables
from fmq.config.study import Study

TASK2, TASK4 = (f"pointmaze-medium-navigate-singletask-task{n}-v0" for n in (2, 4))


def analyse(study: Study, results: Path, folder: Path, manifests: Sequence[Path] = ()) -> Path:
    """Write what `fmq scores`, `statistics` and `tables` write into `folder`, and return it."""
    write_scores(study, results, folder, manifests)
    write_statistics(study, folder, manifests)
    write_tables(study, folder, manifests)
    return folder


def set_latex(folder: Path, *tables: Path) -> str:
    """Set an article of `tables` in `folder` with a real LaTeX, and return what it says."""
    inputs = "".join(rf"\input{{{table}}}" for table in tables)
    (folder / "paper.tex").write_text(
        rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{inputs}\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout
