"""The runs whose networks are measured; imports nothing heavy, because the Snakefile asks."""

from typing import Any

from fmq.errors import UserError
from fmq.runs import DISTILLATIONS, Run, make_run
from fmq.settings import Study

FINETUNED = "finetune-fmq"
MEASUREMENTS = ("optimum", "first_order", "map", "improvement")


def theory_runs(study: Study, task: str, seed: int) -> dict[str, Run]:
    """A flow map by each kind of distillation, and FMQ's end.

    Raises:
        UserError: the study has no such run, or a trust region that is a point.
    """
    if study.fmq.eta == 0:
        raise UserError("fmq.eta is 0, so that there is no trust region to look into; set it")
    names = [*(f"distill-{kind}" for kind in DISTILLATIONS), FINETUNED]
    return {name: make_run(study, task, seed, name) for name in names}


def theory_settings(study: Study, task: str, seed: int) -> dict[str, Any]:
    """Everything that shapes the measurements."""
    runs = theory_runs(study, task, seed)
    return {name: run.settings() for name, run in runs.items()}
