"""Evaluations of a run's last checkpoint: what determines them, and the names of their files."""

from typing import Any

from fmq.pipeline.identity import settings_hash, short
from fmq.pipeline.runs import LAST_EVALUATION, Run


def evaluation_name(run: Run, sampler: str) -> str:
    """Return the name of the file with the episodes of a run's last checkpoint with a sampler.

    The training process evaluates the run's own sampler and writes `LAST_EVALUATION`. Any other
    sampler is evaluated by a separate job, and its file is named by the sampler's identity.
    """
    if run.evaluates(sampler):
        return LAST_EVALUATION
    bound = run.sampler_named(sampler).model_dump(exclude_defaults=True)
    return f"evaluate-{sampler}-{short(settings_hash(bound))}.csv"


def evaluation_settings(run: Run, sampler: str) -> dict[str, Any]:
    """Return what determines the evaluation of a run's last checkpoint."""
    bound = run.sampler_named(sampler).model_dump(exclude_defaults=True)
    return {"run": run.digest, "sampler": sampler, "bound": bound}
