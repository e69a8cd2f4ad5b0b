"""The runs that `fmq diagnose` examines; the Snakefile imports this, so it loads nothing heavy."""

from fmq.config.study import Study
from fmq.pipeline.bind import stage_of
from fmq.pipeline.identity import settings_hash, short
from fmq.pipeline.runs import Run, make_run
from fmq.pipeline.variants import runs_of_method

EPISODES = 12  # of each run and seed, with one state each at which chunks are tried
CANDIDATES = 6
MEASUREMENTS = ("calibration", "branches")
"""What is measured, each with a table and a figure: Q of decisions, and chunks that are tried."""
STEPS = ("guided", "against", "random")
"""Steps from the first candidate: along the critic's gradient, against it, in any direction."""
KINDS = ("candidate", *STEPS)
"""Chunks that are compared at a state: samples of the policy, and the steps."""


def diagnosed_names(study: Study) -> list[str]:
    """Return the names of the compared runs, each once, the offline ones first."""
    stages = [runs_of_method(study, method) for method in study.methods]
    names = (runs[stage] for stage in ("offline", "online") for runs in stages if stage in runs)
    return list(dict.fromkeys(names))


def diagnosed_runs(study: Study, task: str, seed: int) -> list[Run]:
    """Return the runs of a task and seed; those that serve all seeds are the first seed's."""
    runs = (make_run(study, task, seed, name) for name in diagnosed_names(study))
    return [run for run in runs if run.seed == seed]


def diagnosis_folder_name(study: Study, task: str, seed: int) -> str:
    """Return the name of the folder with the measurements; its path contains the seed."""
    runs = diagnosed_runs(study, task, seed)
    of = {"runs": {run.name: run.identity for run in runs}, "eta": study.fmq.eta}
    return f"diagnosis-{short(settings_hash(of))}"


def first_method_of(study: Study, run: str) -> str:
    """Return the first method whose offline or online run has this name."""
    return next(name for name in study.methods if run in runs_of_method(study, name).values())


def run_label(study: Study, run: str) -> str:
    """Return a run's label: its method's, or ``offline``, with a method if there are several."""
    label = study.method(first_method_of(study, run)).label
    if stage_of(run) == "finetune":
        return label
    offline = [name for name in diagnosed_names(study) if stage_of(name) != "finetune"]
    return f"offline ({label})" if len(offline) > 1 else "offline"
