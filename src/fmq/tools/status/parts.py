"""List the parts whose state is told, and the files beside their outputs that show it."""

from pathlib import Path

from fmq.config.study import Study
from fmq.pipeline.graph import RULES, ablation_parts, study_parts
from fmq.pipeline.parts import Part
from fmq.pipeline.paths import progress_folder, scratch_folder
from fmq.pipeline.runs import LAST_EVALUATION


def told_parts(study: Study, results: Path) -> list[Part]:
    """Return the parts behind the scores, and those of the ablations that have begun, by rule."""
    parts = study_parts(study, results)
    places = {part.place for part in parts}
    parts += (
        part
        for part in ablation_parts(study, results)
        if part.place not in places and _has_begun(part, results)
    )
    return sorted(parts, key=lambda part: RULES.index(part.rule))


def _has_begun(part: Part, results: Path) -> bool:
    scratch = scratch_of(part, results) if part.trains else None
    return any(path.exists() for path in (*part.outputs, part.log, scratch) if path)


def scratch_of(part: Part, results: Path) -> Path | None:
    """Return the folder with the lock of the run that a part trains or evaluates."""
    return scratch_folder(part.run, results) if part.run else None


def progress_of(part: Part, results: Path) -> Path | None:
    """Return the folder with the saved progress of a run, or of a stack of runs."""
    if part.run is None or not part.trains:
        return None
    return progress_folder(part.run.stack, results)


def episodes_of(part: Part) -> Path | None:
    """Return the CSV file of the last evaluation of a run, or of the evaluation."""
    return part.place / LAST_EVALUATION if part.trains else part.place if part.run else None
