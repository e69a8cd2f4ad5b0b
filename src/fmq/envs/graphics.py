"""Find out whether MuJoCo can draw on this machine, and with which backend."""

import os

from fmq.base.programs import run_python

_SECONDS = 60.0
GRAPHICS_REMEDY = (
    "to draw pictures, set MUJOCO_GL=egl (needs a GPU driver), or MUJOCO_GL=osmesa after "
    "`apt-get install libosmesa6`; if it is not set, both are tried"
)

_DRAW = """
import mujoco
model = mujoco.MjModel.from_xml_string("<mujoco/>")
renderer = mujoco.Renderer(model, 8, 8)
renderer.update_scene(mujoco.MjData(model))
renderer.render()
"""


def working_graphics() -> tuple[str | None, dict[str, str]]:
    """Draw a tiny picture with the current MUJOCO_GL or, if it is not set, with each backend.

    Returns:
        The first value of MUJOCO_GL that works, or None; and the error of each value that failed.
    """
    value = os.environ.get("MUJOCO_GL")
    faults: dict[str, str] = {}
    for candidate in [value] if value else ["egl", "osmesa"]:
        fault = run_python(_DRAW, _SECONDS, MUJOCO_GL=candidate)
        if fault is None:
            return candidate, faults
        faults[candidate] = fault
    return None, faults


def choose_graphics() -> str | None:
    """Set MUJOCO_GL to a value that works, before MuJoCo is imported, which reads it.

    Returns:
        None, or the reason why there can be no pictures.
    """
    value, faults = working_graphics()
    if value is None:
        return f"MuJoCo cannot draw on this machine ({tried(faults)})"
    os.environ["MUJOCO_GL"] = value
    return None


def tried(faults: dict[str, str]) -> str:
    """Format each value of MUJOCO_GL with the reason why it failed."""
    return "; ".join(f"MUJOCO_GL={value}: {fault}" for value, fault in faults.items())
