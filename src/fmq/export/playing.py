"""Run episodes of an exported policy in its task's simulator."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from fmq.base.errors import UserError
from fmq.base.files import atomic_path
from fmq.base.seeding import derive_seed
from fmq.config.tasks import Task
from fmq.envs.graphics import GRAPHICS_REMEDY, choose_graphics
from fmq.envs.making import make_environment
from fmq.envs.rollout import Episode, rollout
from fmq.envs.simulators import LocalSimulators
from fmq.export.card import read_card
from fmq.export.loading import load_exported
from fmq.export.model_card import name_of
from fmq.export.simulator import data_folder_of, refuse_other_task, task_of
from fmq.rollouts.recorder import Recorder


def play(
    folder: Path,
    sampler: str | None,
    episodes: int,
    seed: int,
    results: Path,
    film: Path | None = None,
) -> Iterator[Episode]:
    """Run episodes one after the other and yield each result.

    Args:
        folder: the policy folder.
        sampler: the name of a sampler; None takes the policy's own.
        episodes: number of episodes.
        seed: the seed of the episodes' starts and of the policy's noise.
        results: the results folder with the data set of a RoboMimic task, whose file holds the
            settings of its simulator.
        film: a GIF of the episodes, written after the last one.

    Raises:
        UserError: the folder is not a policy, the simulator does not fit it or cannot be made, or
            a film is wanted that cannot be drawn.
    """
    if film is not None:
        refuse_film(film)
    card = read_card(folder)
    policy, task = load_exported(folder, sampler, seed), task_of(folder, card)
    data = data_folder_of(card, task, results)
    starts = [derive_seed(seed, card.task, "play", number) for number in range(episodes)]
    recorder = Recorder(make_environment(task, data), starts if film else ())
    sizes = card.observation_size, card.action_size
    refuse_other_task(folder, sizes, card.task, recorder, starts[0])
    done = []
    for start in starts:
        done += rollout(LocalSimulators([recorder]), policy.act, [start])
        yield done[-1]
    if film is not None:
        content = film_of(f"{name_of(card)}, {sampler or card.sampler}", task, data, recorder, done)
        with atomic_path(film) as temporary:
            temporary.write_bytes(content)


def refuse_film(path: Path) -> None:
    """Raise `UserError` unless films can be drawn here, and are of the format that a name asks for.

    It has to be called before MuJoCo is imported.
    """
    if path.suffix.lower() != ".gif":
        raise UserError(f"{path}: films are GIFs; name a file that ends in .gif")
    if fault := choose_graphics():
        raise UserError(f"{path}: no film: {fault}; {GRAPHICS_REMEDY}")


def film_of(
    title: str, task: Task, data: Path, recorder: Recorder, episodes: Sequence[Episode]
) -> bytes:
    """Return a GIF of all episodes that were recorded, numbered from 1.

    Args:
        title: what stands above them.
        task: the task of the episodes.
        data: the folder of its data set.
        recorder: the simulator that ran them.
        episodes: their results, in the order in which they were started.
    """
    from fmq.rollouts.film import gif
    from fmq.rollouts.frames import draw_frames

    shown = [
        recorder.recorded(number, start, episode.success)
        for number, (start, episode) in enumerate(zip(recorder.taken, episodes, strict=True), 1)
    ]
    return gif(title, shown, draw_frames(task, data, shown))


def summary(episodes: list[Episode]) -> str:
    """Return success rate, mean return and mean length, on one line."""
    count = len(episodes)
    success, return_, length = (sum(column) / count for column in zip(*episodes, strict=True))
    return f"mean of {count}: success {success:.1%}, return {return_:.1f}, length {length:.1f}"
