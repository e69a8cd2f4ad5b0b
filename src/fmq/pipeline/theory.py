"""The runs that `fmq theory` measures; the Snakefile imports this, so it loads nothing heavy."""

from fmq.base.errors import UserError
from fmq.config.study import Study
from fmq.pipeline.identity import settings_hash, short
from fmq.pipeline.runs import DISTILLATIONS, Run, make_run

FINETUNED = "finetune-fmq"
RUNS = (*(f"distill-{kind}" for kind in DISTILLATIONS), FINETUNED)
MEASUREMENTS = ("optimum", "first_order", "map", "improvement")


def theory_runs(study: Study, task: str, seed: int) -> list[Run]:
    """Return a flow map of each kind of distillation, and the fine-tuned FMQ run.

    Raises:
        UserError: the study has no such run, or its trust region has radius 0.
    """
    if study.fmq.eta == 0:
        raise UserError("fmq.eta is 0, so there is no trust region to measure; set it above 0")
    return [make_run(study, task, seed, name) for name in RUNS]


def theory_folder_name(study: Study, task: str, seed: int) -> str:
    """Return the name of the folder with the measurements; its path contains the seed."""
    runs = theory_runs(study, task, seed)
    return f"theory-{short(settings_hash({run.name: run.identity for run in runs}))}"
