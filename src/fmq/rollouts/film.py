"""`fmq film`: a GIF and a contact sheet of recorded episodes, or the reason why there are none."""

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fmq import paths
from fmq.analysis.pages import write_film_page
from fmq.analysis.provenance import collect_provenance, source_sentences
from fmq.doctor.simulators import GRAPHICS_REMEDY, tried, working_graphics
from fmq.files import atomic_path
from fmq.rollouts.contact_sheet import write_contact_sheet, write_notice
from fmq.rollouts.files import Recorded, read_rollouts
from fmq.rollouts.frames import SIZE, Frame, draw_frames
from fmq.rollouts.words import outcome, rollout_words, title_of
from fmq.runs import make_run
from fmq.settings import Study

REMEDY = (
    f"What to do: {GRAPHICS_REMEDY}. Then "
    "`snakemake --cores 8 rollouts --forcerun film_rollouts` makes them."
)
COLORS = 96
MILLISECONDS, LAST = 100, 2000
_LINE, _GAP = 18, 4
_TEXT = (26, 26, 26)
IN_A_MAZE = "As OGBench draws a maze: walls light, floor dark, the goal red."


def write_film(study: Study, task: str, seed: int, method: str, results: Path) -> None:
    """Write METHOD.gif, METHOD.html (a page with it), and the contact sheet as METHOD.png and .pdf.

    Without a graphics library page and sheet say so, and there is no GIF.

    Raises:
        UserError: nothing is recorded, or of other settings.
    """
    run = make_run(study, task, seed, f"finetune-{method}")
    rollouts, target = read_rollouts(results, run), paths.rollout_folder(results, task) / method
    title, data = title_of(run), run.task.dataset
    provenance = collect_provenance(study, [paths.manifest_file(results, data)])
    label = study.method(run.kind).label
    seen = f" {IN_A_MAZE}" if rollouts.shown[0].plan is not None else ""
    words = f"{rollout_words({label: rollouts})}{seen} {source_sentences(provenance)}"
    film, page = (target.with_name(f"{method}.{suffix}") for suffix in ("gif", "html"))
    value, faults = working_graphics()
    if value is None:
        notice = f"No pictures: MuJoCo could draw nothing ({tried(faults)}). {REMEDY}"
        print(f"{run}: {notice}", file=sys.stderr)
        film.unlink(missing_ok=True)
        write_notice(target, title, notice, words, provenance)
        write_film_page(page, title, [notice, words], None)
        return
    os.environ["MUJOCO_GL"] = value  # read by MuJoCo while it is imported, in draw_frames
    frames = draw_frames(run.task, paths.dataset_folder(results, data), rollouts)
    content = _gif(title, rollouts.shown, frames, bool(rollouts.different))
    with atomic_path(film) as temporary:
        temporary.write_bytes(content)
    write_contact_sheet(target, title, rollouts.shown, frames, words, provenance)
    write_film_page(page, title, [words], content)


def _gif(
    title: str, episodes: Sequence[Recorded], films: Sequence[list[Frame]], other: bool
) -> bytes:
    """The episodes side by side; one that is over stays as it ended."""
    if other:
        title += ": not the counted episodes"
    moments = max(map(len, films))
    canvases = [
        _canvas(title, episodes, [film[min(moment, len(film) - 1)] for film in films])
        for moment in range(moments)
    ]
    # By coverage: a goal is small, and the median cut would make it as grey as the floor.
    palette = _mosaic(canvases).quantize(COLORS, Image.Quantize.MAXCOVERAGE)
    first, *others = [
        canvas.quantize(palette=palette, dither=Image.Dither.NONE) for canvas in canvases
    ]
    durations = [MILLISECONDS] * len(others) + [LAST]
    file = io.BytesIO()
    first.save(
        file, "GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=False
    )
    return file.getvalue()


def _canvas(title: str, episodes: Sequence[Recorded], frames: Sequence[Frame]) -> Image.Image:
    canvas = Image.new("RGB", ((SIZE + _GAP) * len(frames) - _GAP, SIZE + 2 * _LINE), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(11)
    draw.text((4, 2), title, _TEXT, font)
    for place, (episode, frame) in enumerate(zip(episodes, frames, strict=True)):
        left = (SIZE + _GAP) * place
        over = frame.step == episode.length
        told = outcome(episode) if over else f"step {frame.step}"
        draw.text((left + 4, _LINE + 2), f"episode {episode.number}: {told}", _TEXT, font)
        canvas.paste(Image.fromarray(frame.picture), (left, 2 * _LINE))
    return canvas


def _mosaic(canvases: Sequence[Image.Image]) -> Image.Image:
    """The first, the middle and the last above each other: all colours that there will be."""
    chosen = [canvases[0], canvases[len(canvases) // 2], canvases[-1]]
    width, height = canvases[0].size
    mosaic = Image.new("RGB", (width, height * len(chosen)))
    for place, canvas in enumerate(chosen):
        mosaic.paste(canvas, (0, height * place))
    return mosaic
