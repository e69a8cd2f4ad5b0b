"""Studies with a method in a file of its own, and where its runs lie."""

from pathlib import Path
from typing import Any

from fmq.config.reading import load_study, study_from_dict
from fmq.config.study import Study
from fmq.pipeline.evaluations import evaluation_name
from fmq.pipeline.runs import make_run

ROOT = Path(__file__).parents[2]
TASK = "pointmaze-medium-navigate-singletask-task2-v0"
TEXT = '''
"""A loss."""
from fmq.methods.losses import ActorLoss

def loss(inputs):
    """Of nothing."""
    return 0.5 * inputs.noise.mean(), {}  # half

actor_loss = ActorLoss(1, 0, loss)
sampler = None
'''


def write(folder: Path, text: str = TEXT) -> Path:
    path = folder / "mine.py"
    path.write_text(text)
    return path


def with_own(
    path: Path, name: str = "mine", also: dict[str, Any] | None = None, **row: Any
) -> Study:
    """Return the default study with a method in the file `path` added."""
    values = load_study(ROOT / "config.yaml").model_dump()
    own = {"file": str(path), "label": "Mine", "offline": "distill", "sampler": "best_of_n"}
    values["methods"].append(name)
    return study_from_dict(values | {"own_methods": {name: own | row}} | (also or {}), "test")


def folder(study: Study, name: str) -> str:
    return make_run(study, TASK, 0, name).folder


def places(study: Study) -> dict[str, str]:
    """Return paths of runs, and of evaluations under fmq's and the method file's sampler."""
    found = {name: folder(study, name) for name in ("distill-esd", "finetune-fmq", "finetune-mine")}
    for name in ("distill-esd", "finetune-mine"):
        run = make_run(study, TASK, 0, name)
        for sampler in ("best_of_n", "mine"):
            found[f"{name} {sampler}"] = f"{run.folder}/{evaluation_name(run, sampler)}"
    return found
