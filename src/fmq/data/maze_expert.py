"""The scripted expert of point mazes: move to a random goal, then to the next.

It follows OGBench's ``navigate`` data sets (Park et al. 2025, arXiv:2410.20092) with one
difference: inside the goal's cell the expert heads for the goal itself instead of the cell's
centre, from which a goal near the corner is out of reach.
"""

from functools import cache
from typing import Any

import numpy as np

from fmq.base.seeding import global_numpy_seed
from fmq.data.unwrapped import Record, append_row, stacked

Cell = tuple[int, int]


def navigate(
    maze: Any, rows: int, action_noise: float, seed: np.random.SeedSequence
) -> dict[str, np.ndarray]:
    """Record one episode from a random cell to random goals, a new one whenever one is reached.

    Args:
        maze: from `fmq.data.unwrapped.make_unwrapped`.
        rows: number of states to record; the action of the last one is executed too.
        action_noise: standard deviation of the Gaussian noise added to the unit direction; the sum
            is clipped to [-1, 1]. A step moves the point by 0.2 times the action.
        seed: the same seed gives the same episode, whatever the maze ran before.

    Returns:
        the arrays of `fmq.data.unwrapped.stacked`, each (rows, 2); actions as executed.
    """
    streams = [int(word) for word in seed.generate_state(5, np.uint64)]
    route, noise = (np.random.default_rng(stream) for stream in streams[:2])
    record: Record = {}
    with global_numpy_seed(streams[2]):
        maze.action_space.seed(streams[3])
        observation = _reset(maze, route, streams[4])
        waypoint = cache(lambda here, there: _next_centre(maze, here, there))
        for _ in range(rows):
            position, goal = maze.get_xy(), maze.cur_goal_xy
            here, there = maze.xy_to_ij(position), maze.xy_to_ij(goal)
            target = goal if here == there else waypoint(here, there)
            action = _unit(target - position) + action_noise * noise.standard_normal(2)
            action = np.clip(action, -1, 1).astype(np.float32)
            append_row(record, maze, observation, action)
            observation, _, _, _, info = maze.step(action)
            if info["success"]:
                _set_goal(maze, _draw_goal(maze, maze.xy_to_ij(maze.get_xy()), route))
    return stacked(record)


def _reset(maze: Any, route: np.random.Generator, seed: int) -> np.ndarray:
    """Start in a random open cell with a random goal; return the first observation."""
    cells = _open_cells(maze)
    start = cells[route.integers(len(cells))]
    goal = _draw_goal(maze, start, route)
    ends = {"init_ij": start, "goal_ij": goal}
    observation, _ = maze.reset(seed=seed, options={"task_info": ends})
    return observation


def _open_cells(maze: Any) -> list[Cell]:
    return [(int(i), int(j)) for i, j in np.argwhere(maze.maze_map == 0)]


def _draw_goal(maze: Any, here: Cell, route: np.random.Generator) -> Cell:
    """Return a random reachable cell other than `here` that is not a straight corridor."""
    cells = [cell for cell in _open_cells(maze) if cell != here and not _is_corridor(maze, cell)]
    return cells[route.integers(len(cells))]


def _is_corridor(maze: Any, cell: Cell) -> bool:
    """Return whether the cell is open at two opposite sides and walled at the other two."""
    i, j = cell
    vertical = (maze.maze_map[i - 1, j], maze.maze_map[i + 1, j])
    horizontal = (maze.maze_map[i, j - 1], maze.maze_map[i, j + 1])
    return (vertical, horizontal) in (((0, 0), (1, 1)), ((1, 1), (0, 0)))


def _set_goal(maze: Any, cell: Cell) -> None:
    # Given only a cell, the simulator would set the target's position from None.
    maze.set_goal(goal_xy=maze.add_noise(maze.ij_to_xy(cell)))


def _next_centre(maze: Any, here: Cell, there: Cell) -> np.ndarray:
    """Return the centre of the next cell on a shortest path, shape (2,)."""
    subgoal, _ = maze.get_oracle_subgoal(maze.ij_to_xy(here), maze.ij_to_xy(there))
    return subgoal


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)
