"""Simulators in processes of their own: the same episodes, and no process that is left over."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.processes import all_end, children, runs
from helpers.refusals import refusal

from fmq.config.tasks import Task, TaskSettings, parse_task
from fmq.envs.making import make_environment
from fmq.envs.processes import SimulatorProcesses
from fmq.envs.rollout import Episode, rollout
from fmq.envs.simulators import LocalSimulators, Simulators

MAZE = "pointmaze-medium-navigate-singletask-task1-v0"
CUBE = "cube-single-play-singletask-task1-v0"
NOWHERE = Path("nowhere")  # OGBench's simulators need no file

HOLDER = """
import sys
from pathlib import Path
from fmq.envs.processes import SimulatorProcesses
from fmq.config.tasks import TaskSettings, parse_task
simulators = SimulatorProcesses("evaluation", parse_task(sys.argv[1], TaskSettings()), Path(), 2, 2)
print(*(worker.process.pid for worker in simulators.workers), flush=True)
sys.stdin.read()
"""

FAULT = """
import numpy as np
from fmq.envs.ogbench import OGBenchEnvironment
step = OGBenchEnvironment.step
def unstable(self, action):
    result = step(self, action)
    self.steps = getattr(self, "steps", 0) + 1
    wrong = np.full_like(result.observation, np.nan)
    return result._replace(observation=wrong) if self.steps == 12 else result
OGBenchEnvironment.step = unstable
"""


def make_task(name: str, limit: int) -> Task:
    return parse_task(name, TaskSettings(episode_limit=limit))


def local(task: Task, count: int) -> LocalSimulators:
    return LocalSimulators([make_environment(task, NOWHERE) for _ in range(count)])


class Noisy:
    """Noise of one stream, so that other rows or another order of calls are other episodes."""

    def __init__(self, task: Task, deed: Callable[[], object] = bool) -> None:
        self.random = np.random.default_rng(0)
        self.shape = (5, 2 if task.name == MAZE else 5)
        self.calls: list[bytes] = []
        self.deed = deed

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        self.calls.append(observations.tobytes())
        if len(self.calls) == 3:
            self.deed()
        return self.random.uniform(-1, 1, (len(observations), *self.shape)).astype(np.float32)


def played(simulators: Simulators, task: Task, episodes: int) -> tuple[list[Episode], list[bytes]]:
    """Episodes, and what the policy was asked for them."""
    act = Noisy(task)
    return rollout(simulators, act, range(episodes)), act.calls


@pytest.fixture
def pair() -> SimulatorProcesses:
    """Three mazes in two processes."""
    return SimulatorProcesses("evaluation", make_task(MAZE, 60), NOWHERE, 3, 2)


def pids(simulators: SimulatorProcesses) -> list[int]:
    return [worker.process.pid for worker in simulators.workers]


@pytest.mark.parametrize(
    ("name", "count", "processes"),
    [(MAZE, 4, [1, 2, 3, 4]), pytest.param(CUBE, 3, [2], marks=pytest.mark.slow)],
    ids=["maze", "cube"],
)
def test_episodes_and_policy_calls_do_not_depend_on_the_number_of_processes(
    name: str, count: int, processes: list[int]
) -> None:
    """The maze's episodes end at different times, the cube's at once; both more than once."""
    task = make_task(name, 43 if name == MAZE else 12)
    here = local(task, count)
    expected = [played(here, task, episodes) for episodes in (2, 7)]
    for number in processes:
        spread = SimulatorProcesses("evaluation", task, NOWHERE, count, number)
        found = [played(spread, task, episodes) for episodes in (2, 7)]
        spread.close()
        assert found == expected, number


def test_chunks_are_played_alike_here_and_apart() -> None:
    """Episodes end within the second chunk, the next ones have begun when the third comes."""
    task, numbers, told = make_task(MAZE, 7), range(3), []
    for simulators in (local(task, 3), SimulatorProcesses("training", task, NOWHERE, 3, 3)):
        random = np.random.default_rng(0)
        found: list[object] = [simulators.reset({number: number for number in numbers})]
        for length in (5, 2, 5):
            chunks = random.uniform(-1, 1, (3, 5, 2)).astype(np.float32)
            plays = [simulators.play(number, chunks[number], 9 + number) for number in numbers]
            found += [[next(play) for _ in range(length)] for play in plays]
            found += [next(play) for play in plays if length == 2]
        simulators.close()
        told.append(found)
    assert repr(told[0]) == repr(told[1])
    assert len(told[0]) == 1 + 9 + 3


def test_a_process_plays_a_chunk_without_being_asked_for_each_step() -> None:
    simulators = SimulatorProcesses("training", make_task(MAZE, 60), NOWHERE, 1, 1)
    simulators.reset({0: 0})
    played = simulators.play(0, np.zeros((5, 2), np.float32), 1)
    for _ in range(5):
        assert simulators.workers[0].connection.poll(300)
        next(played)
    simulators.close()


def test_a_process_has_one_thread_its_simulators_and_no_torch(pair: SimulatorProcesses) -> None:
    for process in pids(pair):
        loaded = Path(f"/proc/{process}/maps").read_text()
        assert "/mujoco/" in loaded
        assert "torch" not in loaded
        assert len(list(Path(f"/proc/{process}/task").iterdir())) == 1
    pair.close()


def test_closing_ends_the_processes(pair: SimulatorProcesses) -> None:
    started = pids(pair)
    assert all(map(runs, started))
    assert children(os.getpid()) >= set(started)
    pair.close()
    assert not children(os.getpid()) & set(started)


def test_a_simulator_s_fault_is_the_one_line_it_is_in_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(FAULT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    task = make_task(MAZE, 60)
    spread = SimulatorProcesses("evaluation", task, NOWHERE, 3, 2)
    started = set(pids(spread))
    told = refusal(rollout, spread, Noisy(task), range(3))
    assert "gave an observation that is not finite at step 12 of episode 1, and" in told
    spread.close()
    assert all_end(started)


def test_an_exception_in_a_process_is_one_line_and_the_end_of_all(
    capfd: pytest.CaptureFixture[str],
) -> None:
    pair = SimulatorProcesses("evaluation", make_task(MAZE, 60), NOWHERE, 3, 2)
    started = set(pids(pair))
    pair.reset({0: 0, 1: 1})
    told = refusal(pair.execute, {0: np.zeros((5, 2)), 1: np.zeros((5, 3))})
    assert told.startswith("evaluation: a simulator failed: ValueError: operands")
    assert "ogbench.py" in capfd.readouterr().err
    assert all_end(started)


def test_a_killed_process_is_one_line_and_the_end_of_all(pair: SimulatorProcesses) -> None:
    started = pids(pair)
    act = Noisy(make_task(MAZE, 60), lambda: os.kill(started[1], signal.SIGKILL))
    assert "was killed, often because memory ran out" in refusal(rollout, pair, act, range(9))
    assert len(act.calls) == 3
    assert all_end(set(started))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_is_meant_for_the_parent_does_not_end_a_process(
    pair: SimulatorProcesses, number: int
) -> None:
    """It reaches all processes of a job; what it means, the parent decides."""
    task, started = make_task(MAZE, 60), pids(pair)
    act = Noisy(task, lambda: [os.kill(process, number) for process in started])
    assert len(rollout(pair, act, range(4))) == 4
    assert all(map(runs, started))
    pair.close()


def test_a_simulator_that_cannot_be_made_is_refused_as_in_one_process() -> None:
    task = make_task("lift-mh-low_dim", 20)
    told = refusal(local, task, 2)
    assert refusal(SimulatorProcesses, "evaluation", task, NOWHERE, 2, 2) == told
    assert "nowhere" in told


def test_no_process_outlives_a_parent_that_was_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", HOLDER, MAZE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    started = set(map(int, parent.stdout.readline().split()))
    assert len(started) == 2
    assert all(map(runs, started))
    parent.kill()
    parent.communicate()
    assert all_end(started)
