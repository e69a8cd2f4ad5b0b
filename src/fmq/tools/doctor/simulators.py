"""Check that the simulators of the study's tasks run, and that MuJoCo can render."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fmq.base.programs import TOO_SLOW, run_python
from fmq.envs.graphics import GRAPHICS_REMEDY, tried, working_graphics
from fmq.tools.doctor.findings import Finding, failure, note, ok

if TYPE_CHECKING:
    from fmq.config.study import Study

_SECONDS = 60.0
_STEP = {
    "ogbench": """
import gymnasium, ogbench
simulator = gymnasium.make({environment!r}, disable_env_checker=True)
simulator.reset(seed=0)
simulator.step(simulator.action_space.sample())
""",
    "robomimic": """
from numpy import zeros
from fmq.envs.robosuite import make_simulator
simulator = make_simulator(
    {{"env_name": {environment!r}, "env_kwargs": {{"robots": "Panda"}}}}
)
simulator.reset()
simulator.step(zeros(simulator.action_dim))
""",
}
"""Program of each suite that makes one simulator and takes one step, without a data set."""

_OWN_STEP = """
from pathlib import Path
from numpy import zeros
from fmq.envs.robosuite import make_simulator, read_env_args
simulator = make_simulator(read_env_args(Path({file!r}), {environment!r}))
simulator.reset()
simulator.step(zeros(simulator.action_dim))
"""
"""Program that does the same with the simulator settings in the user's own data file."""


def simulator_findings(study: "Study") -> Iterator[Finding]:
    """Step the simulator of each suite's first task, and of every task with its own data file."""
    from fmq.config.datasets import FileData

    programs: dict[str, tuple[str, str]] = {}
    for task in map(study.task, study.tasks):
        data = study.datasets[task.dataset]
        if isinstance(data, FileData) and task.suite == "robomimic":
            code = _OWN_STEP.format(file=str(data.file.absolute()), environment=task.environment)
            programs[task.name] = f"of {task.name}", code
        else:
            code = _STEP[task.suite].format(environment=task.environment)
            programs.setdefault(task.suite, (task.environment, code))
    for subject, code in programs.values():
        fault = run_python(code, _SECONDS)
        yield judge_simulator(subject, fault, os.environ.get("MUJOCO_GL"))


def judge_simulator(environment: str, fault: str | None, value: str | None) -> Finding:
    """Judge a simulator.

    Args:
        environment: name of the simulator.
        fault: why it did not run; None if it did.
        value: value of MUJOCO_GL.
    """
    subject = f"simulator {environment}"
    if fault is None:
        return ok(subject, "takes a step")
    if fault == TOO_SLOW:
        remedy = "try again when the machine is idle; the first import is the slowest"
        return note(subject, f"not ready after {_SECONDS:g} s, so not checked", remedy)
    # If MUJOCO_GL is set, MuJoCo loads that graphics library on import, even without rendering.
    remedy = "install the packages as listed above"
    return failure(
        subject, fault, f"unset MUJOCO_GL (now {value}), or {remedy}" if value else remedy
    )


def rendering_findings() -> Iterator[Finding]:
    """Yield a finding on whether `snakemake rollouts` can render episodes."""
    found, faults = working_graphics()
    if found is None:
        yield no_rendering(faults)
        return
    value = os.environ.get("MUJOCO_GL", "not set")
    yield ok("MuJoCo GL", f"{found} works, so episodes can be filmed; MUJOCO_GL is {value}")


def no_rendering(faults: dict[str, str]) -> Finding:
    """Return a finding with the reason why nothing can be rendered, by value of MUJOCO_GL."""
    remedy = f"only films of episodes need it, not the rest of the study; {GRAPHICS_REMEDY}"
    return note("MuJoCo GL", f"rendering does not work ({tried(faults)})", remedy)
