"""The scripted experts of OGBench's cube, scene and puzzle simulators.

They use OGBench's plan oracles in the way its ``play`` data sets are made (Park et al. 2025,
arXiv:2410.20092): carry out a random target, then draw another.
"""

from typing import Any

import numpy as np

from fmq.base.seeding import global_numpy_seed
from fmq.data.unwrapped import Record, append_row, stacked

STACKING = {1: (0.0, 0.0), 2: (0.0, 0.25), 3: (0.05, 0.35), 4: (0.1, 0.5)}
"""Range of an episode's probability of stacking a cube on another, by the number of cubes."""

FIRST_CUBE = 14
"""Index of the first cube in qpos; each cube takes seven numbers, its position first."""


def play(
    simulator: Any, rows: int, action_noise: float, seed: np.random.SeedSequence
) -> dict[str, np.ndarray]:
    """Record one episode that carries out one random target after the other.

    Args:
        simulator: from `fmq.data.unwrapped.make_unwrapped`.
        rows: number of states to record; the action of the last one is executed too.
        action_noise: standard deviation of the Gaussian noise that the oracles add to their plan
            and smooth over time, in units of the normalised action [-1, 1].
        seed: the same seed gives the same episode, whatever the simulator ran before.

    Returns:
        the arrays of `fmq.data.unwrapped.stacked`; actions (rows, 5) as executed.
    """
    streams = [int(word) for word in seed.generate_state(2, np.uint64)]
    record: Record = {}
    with global_numpy_seed(streams[0]):
        observation, info = simulator.reset(seed=streams[1])
        oracles = _make_oracles(simulator, action_noise)
        stacking = np.random.uniform(*STACKING[max(count_cubes(simulator), 1)])
        oracle = oracles[info["privileged/target_task"]]
        oracle.reset(observation, info)
        for _ in range(rows):
            action = np.clip(oracle.select_action(observation, info), -1, 1).astype(np.float32)
            append_row(record, simulator, observation, action)
            observation, _, _, _, info = simulator.step(action)
            if oracle.done:
                target = simulator.set_new_target(p_stack=stacking)
                oracle = oracles[target[1]["privileged/target_task"]]
                oracle.reset(*target)
    return stacked(record)


def _make_oracles(simulator: Any, noise: float) -> dict[str, Any]:
    """Return an oracle for each kind of target that the simulator draws."""
    from ogbench.manipspace.oracles.plan.button_plan import ButtonPlanOracle
    from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle
    from ogbench.manipspace.oracles.plan.drawer_plan import DrawerPlanOracle
    from ogbench.manipspace.oracles.plan.window_plan import WindowPlanOracle

    settings = {"env": simulator, "noise": noise}
    return {
        "cube": CubePlanOracle(**settings),
        # The puzzle's buttons are close together; only a closed gripper presses just one.
        "button": ButtonPlanOracle(gripper_always_closed=not count_cubes(simulator), **settings),
        "drawer": DrawerPlanOracle(**settings),
        "window": WindowPlanOracle(**settings),
    }


def count_cubes(simulator: Any) -> int:
    """Return the number of cubes; a puzzle has none."""
    return getattr(simulator, "_num_cubes", 0)


def is_healthy(simulator: Any, episode: dict[str, np.ndarray]) -> bool:
    """Return whether every state is finite and every cube stayed within the arm's reach.

    The arm's workspace spans x 0.25 to 0.6 and y -0.35 to 0.35 metres on a table at z = 0. In the
    scene, OGBench also requires a visible cube: it drops episodes where the cube is at y >= 0.29,
    or at y <= -0.3 outside the drawer (z from 0.06 to 0.08).
    """
    if not all(np.isfinite(episode[name]).all() for name in ("observations", "qpos", "qvel")):
        return False
    cubes = episode["qpos"][:, FIRST_CUBE : FIRST_CUBE + 7 * count_cubes(simulator)]
    x, y, z = cubes[:, 0::7], cubes[:, 1::7], cubes[:, 2::7]
    margin = 0.05
    if np.any((x < 0.25 - margin) | (x > 0.6 + margin) | (z < -margin)):
        return False
    if "button_states" not in episode:
        return bool(np.all(np.abs(y) <= 0.35 + margin))
    in_drawer = (z >= 0.06) & (z <= 0.08)
    return not np.any((y >= 0.29) | ((y <= -0.3) & ~in_drawer))
