"""Whether the simulators of the study's tasks run, and whether MuJoCo can draw."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fmq.doctor.findings import TOO_SLOW, Finding, failure, note, ok, run_python

if TYPE_CHECKING:
    from fmq.settings import Study

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
"""By suite: make one simulator and take one step, without a data set."""

_OWN_STEP = """
from pathlib import Path
from numpy import zeros
from fmq.envs.robosuite import make_simulator, read_env_args
simulator = make_simulator(read_env_args(Path({file!r}), {environment!r}))
simulator.reset()
simulator.step(zeros(simulator.action_dim))
"""
"""The same as a file of the study's own says."""

GRAPHICS_REMEDY = (
    "for pictures MUJOCO_GL=egl with a GPU's driver, or MUJOCO_GL=osmesa after "
    "`apt-get install libosmesa6`; where it is not set, both are tried"
)

_DRAW = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco/>")
renderer = mujoco.Renderer(model, 8, 8)
renderer.update_scene(mujoco.MjData(model))
renderer.render()
"""


def simulator_findings(study: "Study") -> Iterator[Finding]:
    """One step in the simulator of each suite's first task, and of every file of one's own."""
    from fmq.datasets import FileData

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
    """A simulator.

    Args:
        fault: why it did not run; None if it did.
        value: of MUJOCO_GL.
    """
    subject = f"simulator {environment}"
    if fault is None:
        return ok(subject, "takes a step")
    if fault == TOO_SLOW:
        remedy = "try again when the machine is idle; the first import is the slowest"
        return note(subject, f"not ready after {_SECONDS:g} s, so not looked at", remedy)
    # MuJoCo loads the graphics of a value that is set while it is imported, drawing or not.
    remedy = "install the packages as listed above"
    return failure(
        subject, fault, f"unset MUJOCO_GL (now {value}), or {remedy}" if value else remedy
    )


def working_graphics() -> tuple[str | None, dict[str, str]]:
    """Draw a tiny picture with MUJOCO_GL as it is or, if it is not set, with what it could be.

    Returns:
        The first value that works, or None; and why those before it do not.
    """
    value = os.environ.get("MUJOCO_GL")
    faults: dict[str, str] = {}
    for candidate in [value] if value else ["egl", "osmesa"]:
        fault = run_python(_DRAW, _SECONDS, MUJOCO_GL=candidate)
        if fault is None:
            return candidate, faults
        faults[candidate] = fault
    return None, faults


def rendering_findings() -> Iterator[Finding]:
    """Whether `snakemake rollouts` can show pictures."""
    found, faults = working_graphics()
    if found is None:
        yield no_rendering(faults)
        return
    value = os.environ.get("MUJOCO_GL", "not set")
    yield ok("MuJoCo GL", f"{found} works, so that episodes can be filmed; MUJOCO_GL is {value}")


def no_rendering(faults: dict[str, str]) -> Finding:
    """Why no picture came about, by the value of MUJOCO_GL."""
    remedy = f"only films of episodes need it, the study runs without; {GRAPHICS_REMEDY}"
    return note("MuJoCo GL", f"nothing can be drawn ({tried(faults)})", remedy)


def tried(faults: dict[str, str]) -> str:
    """Each value of MUJOCO_GL and why it draws nothing."""
    return "; ".join(f"MUJOCO_GL={value}: {fault}" for value, fault in faults.items())
