"""Measure an evaluation with simulators in processes; print a JSON line per number of processes.

    OMP_NUM_THREADS=1 python benchmarks/evaluation.py
    OMP_NUM_THREADS=1 python benchmarks/evaluation.py --task TASK --processes 1 2 4 --sampler qgbs

An untrained policy of the paper's sizes acts on one thread, so that episodes run to their limit.
The numbers of processes alternate, because absolute times change with other load on the machine.
Figures are medians over the rounds, per evaluation: `seconds` is wall-clock time; `cpu` is the CPU
time of this process plus that of the busiest worker, the lower bound if each has its own core;
`policy` is the part of `cpu` spent in the policy. Ratios are relative to the first number of
processes; `lowest` and `highest` are those of `cpu` in single rounds. `start` is the wall-clock
time to make the simulators, measured once. Ends with an error if any two evaluations differ. Reads
/proc.
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

from fmq.acting.policy import Policy, make_networks
from fmq.config.reading import load_study
from fmq.config.samplers import sampler_numbers
from fmq.config.tasks import Task, TaskSettings, parse_task
from fmq.data.normalization import Normalizer
from fmq.envs.making import make_environment
from fmq.envs.processes import SimulatorProcesses
from fmq.envs.rollout import Episode, rollout
from fmq.envs.simulators import LocalSimulators, Simulators
from fmq.methods.samplers import make_sampler

ROOT = Path(__file__).parents[1]
TASKS = ("pointmaze-medium-navigate-singletask-task4-v0", "cube-single-play-singletask-task1-v0")


class Round(NamedTuple):
    """One evaluation: wall-clock time, CPU time, CPU time of the policy, and the episodes."""

    seconds: float
    cpu: float
    policy: float
    episodes: list[Episode]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", nargs="+", default=TASKS, help="OGBench tasks")
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--environments", type=int, default=10)
    parser.add_argument("--limit", type=int, default=200, help="environment steps per episode")
    parser.add_argument("--sampler", default="best_of_n", help="e.g. best_of_n or qgbs")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in arguments.task:
        measure(parse_task(name, TaskSettings(episode_limit=arguments.limit)), arguments)


def measure(task: Task, arguments: argparse.Namespace) -> None:
    """Measure one task and print its figures."""
    one = make_environment(task, Path())
    policy = make_policy(task, len(one.reset(0)), one.action_size, arguments.sampler)
    simulators, starts = {}, {}
    for processes in arguments.processes:
        before = time.perf_counter()
        simulators[processes] = make_simulators(task, arguments.environments, processes)
        starts[processes] = time.perf_counter() - before
    rounds: list[dict[int, Round]] = []
    for number in range(arguments.rounds):
        order = arguments.processes[:: 1 if number % 2 == 0 else -1]
        seeds = range(arguments.episodes)
        rounds.append({key: evaluate(simulators[key], policy, seeds) for key in order})
    first = rounds[0][arguments.processes[0]].episodes
    if any(one.episodes != first for each in rounds for one in each.values()):
        raise SystemExit(f"{task.name}: the episodes differ")
    for processes in arguments.processes:
        simulators[processes].close()
        place = {"task": task.name, "processes": processes, "start": round(starts[processes], 2)}
        figures = summary(rounds, processes, arguments.processes[0])
        print(json.dumps(place | figures), flush=True)


def make_policy(task: Task, observation_size: int, action_size: int, sampler: str) -> Policy:
    """Return an untrained flow map policy, prepared like a finished one."""
    study = load_study(ROOT / "config.yaml", ROOT / "config/paper.yaml")
    horizon, generator = task.settings.chunk_length, torch.Generator().manual_seed(0)
    networks = make_networks(observation_size, horizon * action_size, study.networks, generator)
    for network in networks:
        network.prepare()
    normalizer = Normalizer(torch.zeros(observation_size), torch.ones(observation_size))
    sampling = make_sampler(sampler, "min", **sampler_numbers(sampler, study.sampling))
    return Policy(*networks, normalizer, sampling, generator, (horizon, action_size))


def make_simulators(task: Task, count: int, processes: int) -> Simulators:
    """Make simulators as an evaluation does."""
    if processes > 1:
        return SimulatorProcesses("evaluation", task, Path(), count, processes)
    return LocalSimulators([make_environment(task, Path()) for _ in range(count)])


def evaluate(simulators: Simulators, policy: Policy, seeds: range) -> Round:
    """Run one evaluation, with the same noise each time."""
    policy.generator.manual_seed(0)
    acting = 0.0

    def act(observations: np.ndarray) -> np.ndarray:
        nonlocal acting
        before = time.process_time()
        chunks = policy.act(observations)
        acting += time.process_time() - before
        return chunks

    clock, before = time.perf_counter(), cpu_seconds(simulators)
    episodes = rollout(simulators, act, seeds)
    seconds = time.perf_counter() - clock
    own, *others = (b - a for a, b in zip(before, cpu_seconds(simulators), strict=True))
    return Round(seconds, own + max(others, default=0.0), acting, episodes)


def cpu_seconds(simulators: Simulators) -> list[float]:
    """Return the CPU seconds of this process and of each worker."""
    workers = simulators.workers if isinstance(simulators, SimulatorProcesses) else []
    files = [Path(f"/proc/{worker.process.pid}/schedstat") for worker in workers]
    return [time.process_time(), *(int(file.read_text().split()[0]) / 1e9 for file in files)]


def summary(rounds: list[dict[int, Round]], processes: int, first: int) -> dict[str, float]:
    """Return medians, and ratios with their range over the rounds."""
    figures = {}
    for name in ("seconds", "cpu", "policy"):
        figures[name] = median(getattr(one[processes], name) for one in rounds)
    for name in ("seconds", "cpu"):
        figures[f"{name}_ratio"] = figures[name] / median(
            getattr(one[first], name) for one in rounds
        )
    ratios = [one[processes].cpu / one[first].cpu for one in rounds]
    figures |= {"lowest": min(ratios), "highest": max(ratios)}
    return {name: round(value, 3) for name, value in figures.items()}


if __name__ == "__main__":
    main()
