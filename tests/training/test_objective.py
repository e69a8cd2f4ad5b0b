"""An objective's identity tells its loss and its sampler from all others."""

from pathlib import Path

import pytest

from fmq.config.reading import load_study
from fmq.config.study import Study
from fmq.methods.making import sampler_of
from fmq.pipeline.runs import make_run
from fmq.training.objective import Objective, objective_of

ROOT = Path(__file__).parents[2]
FILE = "from fmq.methods.qc import actor_loss\nMETHOD = {row}\n"
ROW = {"label": "Mine", "offline": "pretrain-full", "sampler": "best_of_n_euler"}


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(ROOT / "config.yaml")


def aim(study: Study, name: str) -> Objective:
    run = make_run(study, study.tasks[0], 0, name)
    return objective_of(run, sampler_of(run, run.sampler))


def test_runs_with_the_same_loss_and_sampler_share_it(study: Study) -> None:
    """The curriculum, which they need not share, is an input of an update."""
    names = ("finetune-mvp", "finetune-mvp-no-new-data", "distill-esd")
    assert len({aim(study, name).identity for name in names}) == 1
    offline = study.offline.model_copy(update={"anneal_end": 9000})
    later = study.model_copy(update={"offline": offline})
    assert aim(later, "distill-esd").identity == aim(study, "distill-esd").identity


def test_other_losses_numbers_samplers_and_files_have_others(study: Study, tmp_path: Path) -> None:
    eta = study.model_copy(update={"fmq": study.fmq.model_copy(update={"eta": 0.5})})
    sampling = study.sampling.model_copy(update={"samples": 2})
    samples = study.model_copy(update={"sampling": sampling})
    found = {aim(study, name).identity for name in ("finetune-fmq", "finetune-qc", "distill-psd")}
    found |= {aim(other, "finetune-fmq").identity for other in (eta, samples)}
    for number, more in enumerate(("", "import torch\n")):
        path = tmp_path / f"{number}.py"
        path.write_text(more + FILE.format(row=ROW))
        own = {"methods": ["mine"], "samplers": [], "own_methods": {"mine": {"file": str(path)}}}
        found.add(aim(Study.model_validate(study.model_dump() | own), "finetune-mine").identity)
    assert len(found) == 7
