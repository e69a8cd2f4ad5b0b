"""Studies with other settings."""

from typing import Any

from fmq.config.reading import study_from_dict
from fmq.config.section import overlaid
from fmq.config.study import Study


def changed(study: Study, changes: dict[str, Any]) -> Study:
    """Return `study` with changes laid over it, as an overlay would."""
    return study_from_dict(overlaid(study.model_dump(), changes), "test")
