"""A run reads no setting that its identity leaves out; a recorder notes what it reads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fmq.acting.evaluation import evaluate_checkpoints
from fmq.config.reading import load_study
from fmq.config.section import Section
from fmq.config.study import Study
from fmq.pipeline import data as identity
from fmq.pipeline import runs
from fmq.pipeline.paths import run_folder
from fmq.pipeline.runs import make_run
from fmq.training import shared
from fmq.training.offline import train_offline
from fmq.training.online import finetune

ROOT = Path(__file__).parents[2]
RESULTS_ALIKE = {
    *("Study.device", "Study.jobs_per_device", "Study.threads", "Study.checkpoint_seconds"),
    *("Study.tracker", "EvaluationSettings.processes", "EvaluationSettings.beside"),
    "OnlineSettings.simulators",
    *("Study.own_methods", "OwnMethod.sampler"),  # decides only whether a sampler is refused
}
"""Settings outside a run's bindings that it may read, as they do not affect its results."""
BOUND_WHOLE = {"NetworkSettings", "TrainingSettings"}
SIMULATION = {
    *("chunk_length", "discount", "sparse_reward", "episode_limit"),
    *("success_timing", "demonstrations"),
}
OWN = """
from fmq.methods import qc
from fmq.methods.losses import ActorLoss


def actor_loss(weight):
    matching = qc.actor_loss()

    def loss(inputs):
        found, metrics = matching.loss(inputs)
        return weight * found, metrics

    return ActorLoss(1, 1, loss)
"""


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Collect ``SECTION.field`` of all settings that are read outside of a binding."""
    read: set[str] = set()
    binding = 0
    look = Section.__getattribute__

    def quietly(bind: Callable[..., Any]) -> Callable[..., Any]:
        """Ignore reads by a function whose result is part of a run's or a file's identity."""

        def binds(*arguments: Any) -> Any:
            nonlocal binding
            binding += 1
            try:
                return bind(*arguments)
            finally:
                binding -= 1

        return binds

    def noted(section: Section, name: str) -> Any:
        if not binding and name in type(section).model_fields:
            read.add(f"{type(section).__name__}.{name}")
        return look(section, name)

    with monkeypatch.context() as patch:
        for name in ("bind", "bind_sampler"):
            patch.setattr(runs, name, quietly(getattr(runs, name)))
        # Which seeds have a run is in its identity, as its siblings and as its parent's seed.
        patch.setattr(runs.Run, "seeds", property(quietly(runs.Run.seeds.fget)))
        for name in ("method", "offline_run"):  # the row of a method, and its parent
            patch.setattr(Study, name, quietly(getattr(Study, name)))
        patch.setattr(identity, "dataset_settings", quietly(identity.dataset_settings))
        patch.setattr(shared, "refuse_other_data", quietly(shared.refuse_other_data))
        patch.setattr(Section, "__getattribute__", noted)
        yield read


def foreign(read: set[str]) -> set[str]:
    """Return the reads of settings that are not bound and that affect results."""
    whole = {f"Study.{name}" for name, field in Study.model_fields.items() if _is_section(field)}
    allowed = RESULTS_ALIKE | whole | {f"TaskSettings.{name}" for name in SIMULATION}
    return {one for one in read - allowed if one.partition(".")[0] not in BOUND_WHOLE}


def _is_section(field: Any) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, Section)


METHODS = """
tasks: [pointmaze-medium-navigate-singletask-task4-v0]
methods: [fmq, mvp, mvp-no-new-data, qc-fql, bfn-n, mine]
own_methods:
  mine:
    {file: mine.py, label: Mine, offline: pretrain-full, sampler: euler, settings: {weight: 2.0}}
offline: {steps: 12, warmup_steps: 4, anneal_end: 8, evaluate_every: 5}
online: {steps: 30, start_training: 10, evaluate_every: 15}
evaluation: {episodes: 2}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The smoke study with every method, one of them in its own file."""
    folder = tmp_path_factory.mktemp("methods")
    (folder / "mine.py").write_text(OWN)
    (folder / "methods.yaml").write_text(METHODS.replace("mine.py", str(folder / "mine.py")))
    smoke = ROOT / "config" / "smoke.yaml"
    return load_study(ROOT / "config.yaml", smoke, folder / "methods.yaml")


@pytest.mark.parametrize(
    "chain",
    [
        ("pretrain-warmup", "distill-lsd", "distill-esd", "finetune-fmq", "finetune-mvp"),
        ("pretrain-fql", "finetune-qc-fql"),
        ("pretrain-n-step", "finetune-bfn-n"),
        ("pretrain-full", "finetune-mine"),
    ],
)
def test_a_run_reads_what_it_is_bound_to(
    study: Study,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chain: tuple[str, ...],
) -> None:
    (tmp_path / "datasets").symlink_to(undisturbed / "datasets")
    for name in chain:
        run = make_run(study, study.tasks[0], 0, name)
        train = finetune if run.stage == "finetune" else train_offline
        with recorded(monkeypatch) as read:
            train([run], tmp_path)
        assert "TrainingSettings.batch_size" in read
        assert not foreign(read)
        if not run.scored:
            continue
        evaluated = run_folder(run, tmp_path) / "last_evaluation.csv"
        before = evaluated.read_bytes()
        with recorded(monkeypatch) as read:
            evaluate_checkpoints([run], run.sampler, tmp_path)
        assert not foreign(read)
        assert evaluated.read_bytes() == before


def test_the_numbers_of_an_own_method_belong_to_its_identity(study: Study) -> None:
    other = study.own_methods["mine"].model_copy(update={"settings": {"weight": 3.0}})
    changed = study.model_copy(update={"own_methods": {"mine": other}})
    mine, theirs = (make_run(s, s.tasks[0], 0, "finetune-mine") for s in (study, changed))
    assert mine.identity != theirs.identity
    assert mine.parent is not None
    assert theirs.parent is not None
    assert mine.parent.identity == theirs.parent.identity


def test_the_recorder_sees_what_is_read(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(monkeypatch) as read:
        assert study.fmq.eta > 0
        make_run(study, study.tasks[0], 0, "finetune-fmq").bound  # noqa: B018
    assert foreign(read) >= {"FMQSettings.eta"}
    assert "FMQSettings.beta" not in read
