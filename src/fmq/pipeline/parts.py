"""The parts of a study: what each is made from, what it leaves, and what its job claims.

A part is a data set, a published policy, a run, an evaluation or a measurement of runs. It depends
on the parts whose outputs are among its inputs. `fmq.pipeline.graph` lists those of a study.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fmq.config.datasets import FileData
from fmq.config.study import Study, find_dataset
from fmq.pipeline.diagnosis import MEASUREMENTS as DIAGNOSED
from fmq.pipeline.diagnosis import diagnosed_runs
from fmq.pipeline.measured import RECORD
from fmq.pipeline.paths import (
    MANIFEST,
    checkpoint_file,
    costs_file,
    data_folder,
    dataset_folder,
    diagnosis_folder,
    evaluation_file,
    run_folder,
    theory_folder,
)
from fmq.pipeline.policies import policy_folder
from fmq.pipeline.resources import dataset_threads, job_threads, online_threads, training_threads
from fmq.pipeline.rollouts import rollout_file
from fmq.pipeline.runs import CHECKPOINT, EVALUATIONS, LAST_EVALUATION, Run, make_run, stacks
from fmq.pipeline.theory import MEASUREMENTS, theory_runs

IMPORTED_FILES: tuple[str, ...] = (
    CHECKPOINT,
    EVALUATIONS,
    "settings.json",
    "provenance.json",
)
RUN_FILES: tuple[str, ...] = (
    *(CHECKPOINT, "metrics.csv", "settings.json", "provenance.json"),
    *(EVALUATIONS, LAST_EVALUATION, LAST_EVALUATION.replace(".csv", ".json")),
)
THEORY_FILES = (*(f"{name}.csv" for name in MEASUREMENTS), RECORD)
DIAGNOSIS_FILES = (*(f"{name}.csv" for name in DIAGNOSED), RECORD)


@dataclass(frozen=True)
class Part:
    """A node of the graph.

    Attributes:
        rule: Snakemake's rule that makes it.
        place: its folder or its file; for an analysis, a name of its own.
        inputs: files that it is made from: outputs of other parts, or the user's own.
        outputs: files that it leaves; it is done once all exist.
        log: standard error of its job.
        tasks: tasks that need it; several may share a data set.
        run: run that it trains, imports, evaluates or records, or whose policy it fetches.
        sampler: sampler that it acts with; empty if it does not act.
        cores: cores that its job claims; Snakemake lowers this to the cores available.
    """

    rule: str
    place: Path
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    log: Path
    tasks: tuple[str, ...] = ()
    run: Run | None = None
    sampler: str = ""
    cores: int = 1

    @property
    def name(self) -> str:
        """``dataset NAME``, the name of a run, ``policy-RUN``, or ``evaluate-RUN-SAMPLER``."""
        if self.run is None:
            return f"{self.rule} {self.place.name.rpartition('-')[0]}"
        if self.trains:
            return self.run.name
        return "-".join(filter(None, (self.rule, self.run.name, self.sampler)))

    @property
    def seed(self) -> int | None:
        """Seed of its run; None without one."""
        return self.run.seed if self.run else None

    @property
    def trains(self) -> bool:
        """Whether it is a run, trained here or imported."""
        return self.run is not None and self.rule == self.run.rule

    @property
    def identity(self) -> str:
        """The digits that its place ends in."""
        return self.place.name.rpartition("-")[2].partition(".")[0]


def dataset_part(study: Study, name: str, results: Path) -> Part:
    """Return a data set; its manifest is written last."""
    settings, folder = find_dataset(study, name), dataset_folder(study, name, results)
    return Part(
        "dataset",
        folder,
        inputs=(settings.file,) if isinstance(settings, FileData) else (),
        outputs=(folder / MANIFEST,),
        log=folder / "log.txt",
        tasks=tuple(task for task in study.tasks if study.task(task).dataset == name),
        cores=dataset_threads(study, name),
    )


def dataset_parts(study: Study, results: Path) -> list[Part]:
    """Return the data sets of a study."""
    return [dataset_part(study, name, results) for name in study.dataset_names()]


def policy_part(run: Run, results: Path) -> Part | None:
    """Return the published policy that a run is imported from, if it is; manifest last."""
    source = None if run.trained else run.study.imported[run.kind].source
    if source is None:
        return None
    folder = policy_folder(source, run.task.name, run.seed, results)
    return Part(
        "policy",
        folder,
        inputs=(),
        outputs=(folder / MANIFEST,),
        log=folder / "log.txt",
        tasks=(run.task.name,),
        run=run,
    )


def run_part(run: Run, parent: Part | None, results: Path) -> Part:
    """Return a run that starts from the checkpoint or the published policy of `parent`, if any."""
    folder = run_folder(run, results)
    source, files = parent.outputs[:1] if parent else (), RUN_FILES
    threads = online_threads if run.stage == "finetune" else training_threads
    if not run.trained:
        # It did not learn from this data, but robosuite's simulators are made from its file.
        row, files = run.study.imported[run.kind], IMPORTED_FILES
        source = source or (row.file(run.task.name, run.seed),)
    return Part(
        run.rule,
        folder,
        inputs=(data_folder(run, results) / MANIFEST, *source),
        outputs=tuple(folder / name for name in files),
        log=run_folder(run.stack[0], results) / "log.txt",
        tasks=(run.task.name,),
        run=run,
        sampler=run.sampler,
        cores=threads(run.study) if run.trained else 1,
    )


def evaluation_part(run: Run, sampler: str, results: Path) -> Part:
    """Return an evaluation of a run's last checkpoint, by a job of its own."""
    file = evaluation_file(run, sampler, results)
    first = run.siblings[0] if stacks(run.study, "evaluate") else run
    return Part(
        "evaluate",
        file,
        inputs=(data_folder(run, results) / MANIFEST, checkpoint_file(run, results)),
        outputs=(file, file.with_suffix(".json")),
        log=evaluation_file(first, sampler, results).with_suffix(".log"),
        tasks=(run.task.name,),
        run=run,
        sampler=sampler,
        cores=job_threads(run.study),
    )


def measurement_parts(study: Study, results: Path) -> list[Part]:
    """Return all measurements of checkpoints, for targets other than `all`."""
    return [
        *theory_parts(study, results),
        *cost_parts(study, results),
        *diagnosis_parts(study, results),
    ]


def theory_parts(study: Study, results: Path) -> list[Part]:
    """Return the measurements of `fmq theory`; none without FMQ or a trust region."""
    if "fmq" not in study.methods or study.fmq.eta == 0:
        return []
    return [
        _theory_part(study, task, seed, results) for task in study.tasks for seed in study.seeds
    ]


def _theory_part(study: Study, task: str, seed: int, results: Path) -> Part:
    return _measurement_part(
        "measure_theory",
        theory_folder(study, task, seed, results),
        THEORY_FILES,
        theory_runs(study, task, seed),
        results,
        study.threads,
    )


def _measurement_part(
    rule: str,
    folder: Path,
    files: Iterable[str],
    runs: Iterable[Run],
    results: Path,
    cores: int,
) -> Part:
    """Return measurements in a folder of their own, of runs of one task, with its data."""
    of = list(runs)
    return Part(
        rule,
        folder,
        inputs=(
            data_folder(of[0], results) / MANIFEST,
            *(checkpoint_file(run, results) for run in of),
        ),
        outputs=tuple(folder / name for name in files),
        log=folder / "log.txt",
        tasks=(of[0].task.name,),
        cores=cores,
    )


def cost_parts(study: Study, results: Path) -> list[Part]:
    """Return the measurements of `fmq inference`, one per task."""
    return [_cost_part(study, task, results) for task in study.tasks]


def _cost_part(study: Study, task: str, results: Path) -> Part:
    names = (f"finetune-{method}" for method in study.methods)
    runs = (make_run(study, task, study.seeds[0], name) for name in names)
    file = costs_file(study, task, results)
    return Part(
        "measure_inference",
        file,
        inputs=tuple(checkpoint_file(run, results) for run in runs),
        outputs=(file,),
        log=file.with_suffix(".log"),
        tasks=(task,),
        cores=study.threads,
    )


def diagnosis_parts(study: Study, results: Path) -> list[Part]:
    """Return the measurements of `fmq diagnose`, one per task and seed."""
    return [
        _diagnosis_part(study, task, seed, results) for task in study.tasks for seed in study.seeds
    ]


def _diagnosis_part(study: Study, task: str, seed: int, results: Path) -> Part:
    return _measurement_part(
        "measure_diagnosis",
        diagnosis_folder(study, task, seed, results),
        DIAGNOSIS_FILES,
        diagnosed_runs(study, task, seed),
        results,
        job_threads(study),
    )


def recording_part(run: Run, results: Path) -> Part:
    """Return the recorded episodes of the last evaluation of a run."""
    file, evaluation = rollout_file(run, results), evaluation_file(run, run.sampler, results)
    return Part(
        "record_rollouts",
        file,
        inputs=(
            data_folder(run, results) / MANIFEST,
            checkpoint_file(run, results),
            evaluation,
            evaluation.with_suffix(".json"),
        ),
        outputs=(file,),
        log=file.with_suffix(".log"),
        tasks=(run.task.name,),
        run=run,
        sampler=run.sampler,
        cores=run.study.threads,
    )
