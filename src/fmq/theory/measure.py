"""Run all measurements of one task and seed; write CSV files and a record of their settings."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fmq.acting.measuring import recorded
from fmq.acting.policy import Networks
from fmq.base.files import atomic_path, write_rows
from fmq.base.progress import progress
from fmq.config.study import Study
from fmq.data.sequences import SequenceBuffer
from fmq.pipeline.paths import theory_folder
from fmq.pipeline.runs import DISTILLATIONS, Run
from fmq.pipeline.theory import FINETUNED, MEASUREMENTS, theory_runs
from fmq.theory import first_order, flow_map, improvement, optimum
from fmq.theory.material import load_chunks, load_trained, sample

PROBLEMS = 32  # per critic; solved numerically one by one
STATES = 256
MAP_STATES = 64

Rows = list[dict[str, Any]]


class Bench(NamedTuple):
    """The networks and the data of one task and seed.

    Attributes:
        offline: the run that FMQ starts from.
        chunks: the data set that `offline` learned from.
        critics: the networks at the start (``offline``) and the end (``online``) of FMQ.
        maps: the networks with flow maps, by kind of distillation.
    """

    study: Study
    offline: Run
    chunks: SequenceBuffer
    critics: dict[str, Networks]
    maps: dict[str, Networks]

    def generator(self, measurement: str) -> torch.Generator:
        """Return the random stream of one measurement."""
        return torch.Generator().manual_seed(self.offline.derive_seed("theory", measurement))


def set_up(study: Study, task: str, seed: int, results: Path) -> Bench:
    """Load what is measured; raise `UserError` if a checkpoint or the data is not the study's."""
    runs = {run.name: run for run in theory_runs(study, task, seed)}
    trained = {name: load_trained(run, results) for name, run in runs.items()}
    offline = runs[FINETUNED].parent
    assert offline is not None, "FMQ is trained here"
    return Bench(
        study,
        offline,
        load_chunks(offline, results),
        {"offline": trained[offline.name], "online": trained[FINETUNED]},
        {kind: trained[f"distill-{kind}"] for kind in DISTILLATIONS},
    )


def _optimum(bench: Bench) -> Rows:
    generator = bench.generator("optimum")
    starts = np.random.default_rng(bench.offline.derive_seed("theory", "starts"))
    kinds: dict[str, Iterable[optimum.Problem]] = {}
    for name, networks in bench.critics.items():
        batch = sample(bench.chunks, networks.normalizer, PROBLEMS, generator)
        kinds[name] = optimum.problems(networks.critic, batch.observations, batch.actions)
        size = networks.action_size
    kinds["quadratic"] = optimum.quadratics(PROBLEMS, size, generator)
    kinds["flat"] = optimum.quadratics(PROBLEMS, size, generator, slope=0.0)
    return [
        {"critic": name, "problem": place, **optimum.measure(one, bench.study.fmq.eta, starts)}
        for name, several in kinds.items()
        for place, one in enumerate(several)
    ]


def _first_order(bench: Bench) -> Rows:
    rows = []
    for name, networks in bench.critics.items():
        batch = sample(bench.chunks, networks.normalizer, STATES, bench.generator("first order"))
        found = first_order.measure(networks.critic, batch.observations, batch.actions)
        rows += [{"critic": name, **row} for row in found]
    return rows


def _map(bench: Bench) -> Rows:
    rows = []
    for kind, networks in bench.maps.items():
        generator = bench.generator("map")  # the same chunks and noise for every kind
        batch = sample(bench.chunks, networks.normalizer, MAP_STATES, generator)
        noise = torch.randn(batch.actions.shape, generator=generator, dtype=torch.float64)
        found = flow_map.measure(networks.actor, batch.observations, batch.actions, noise)
        rows += [{"distillation": kind, **row} for row in found]
    return rows


def _improvement(bench: Bench) -> Rows:
    networks, generator = bench.critics["offline"], bench.generator("improvement")
    return improvement.measure(
        networks.actor,
        networks.critic,
        bench.study,
        lambda count: sample(bench.chunks, networks.normalizer, count, generator),
        STATES,
        generator,
    )


_MEASURES = {
    "optimum": _optimum,
    "first_order": _first_order,
    "map": _map,
    "improvement": _improvement,
}


def measure_theory(study: Study, task: str, seed: int, results: Path) -> None:
    """Write optimum.csv, first_order.csv, map.csv and improvement.csv, and the record of the runs.

    Raises:
        UserError: a checkpoint is missing, has other settings, or learned from other data.
    """
    torch.set_num_threads(study.threads)
    bench = set_up(study, task, seed, results)
    folder = theory_folder(study, task, seed, results)
    with (
        recorded(folder, theory_runs(study, task, seed), results),
        progress(f"theory {task} seed {seed}", len(MEASUREMENTS), "measurements") as beat,
    ):
        for name in MEASUREMENTS:
            rows = _MEASURES[name](bench)
            with atomic_path(folder / f"{name}.csv") as temporary:
                write_rows(temporary, list(rows[0]), rows)
            beat.advance()
