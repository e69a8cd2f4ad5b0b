"""Films of recorded episodes as GIF.

`fmq film` makes one and a contact sheet of a study's, or says why there are none.
"""

import io
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fmq.analysis.inputs.provenance import collect_provenance, source_sentences
from fmq.analysis.tables.pages import write_film_page
from fmq.base.files import atomic_path
from fmq.config.study import Study
from fmq.envs.graphics import GRAPHICS_REMEDY, choose_graphics
from fmq.pipeline.paths import MANIFEST, data_folder
from fmq.pipeline.rollouts import film_folder
from fmq.pipeline.runs import make_run
from fmq.pipeline.studies import study_folder
from fmq.rollouts.contact_sheet import write_contact_sheet, write_notice
from fmq.rollouts.files import Recorded, read_rollouts
from fmq.rollouts.frames import SIZE, Frame, draw_frames
from fmq.rollouts.words import IN_A_MAZE, outcome, rollout_words, title_of

REMEDY = (
    f"What to do: {GRAPHICS_REMEDY}. Then "
    "`snakemake --cores 8 rollouts --forcerun film_rollouts` makes them."
)
COLORS, MOST_IN_A_ROW = 96, 5
MILLISECONDS, LAST = 100, 2000
_LINE, _GAP = 18, 4
_TEXT, _BEHIND = (26, 26, 26), (232, 232, 232)  # white is a maze's wall


def write_film(study: Study, task: str, seed: int, method: str, results: Path) -> None:
    """Write METHOD.gif, METHOD.html (a page with it), and the contact sheet as METHOD.png and .pdf.

    Without a working graphics library there is no GIF, and page and contact sheet say why.

    Raises:
        UserError: no episodes are recorded, or they were made with other settings.
    """
    run = make_run(study, task, seed, f"finetune-{method}")
    rollouts = read_rollouts(results, run)
    target = film_folder(study_folder(study, results), task) / method
    title, data = title_of(run), data_folder(run, results)
    provenance = collect_provenance(study, [data / MANIFEST])
    label = study.method(run.kind).label
    seen = f" {IN_A_MAZE}" if rollouts.shown[0].plan is not None else ""
    words = f"{rollout_words({label: rollouts})}{seen} {source_sentences(provenance)}"
    film, page = (target.with_name(f"{method}.{suffix}") for suffix in ("gif", "html"))
    if fault := choose_graphics():
        notice = f"No pictures: {fault}. {REMEDY}"
        print(f"{run}: {notice}", file=sys.stderr)
        film.unlink(missing_ok=True)
        write_notice(target, title, notice, words, provenance)
        write_film_page(page, title, [notice, words], None)
        return
    frames = draw_frames(run.task, data, rollouts.shown)
    other = ": not the counted episodes" if rollouts.different else ""
    content = gif(title + other, rollouts.shown, frames)
    with atomic_path(film) as temporary:
        temporary.write_bytes(content)
    write_contact_sheet(target, title, rollouts.shown, frames, words, provenance)
    write_film_page(page, title, [words], content)


def gif(title: str, episodes: Sequence[Recorded], films: Sequence[list[Frame]]) -> bytes:
    """Return a GIF of the episodes side by side; a finished one keeps its last frame.

    Args:
        title: what stands above them.
        episodes: the episodes.
        films: the frames of each, from `fmq.rollouts.frames.draw_frames`.
    """
    moments = max(map(len, films))
    canvases = [
        _canvas(title, episodes, [film[min(moment, len(film) - 1)] for film in films])
        for moment in range(moments)
    ]
    # Maximum coverage: a goal is small, and median cut would merge its colour with the floor's.
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
    """Draw frames in as few rows as hold them, which are about equally long."""
    font, rows = ImageFont.load_default(11), ceil(len(frames) / MOST_IN_A_ROW)
    in_a_row = ceil(len(frames) / rows)
    width = max((SIZE + _GAP) * in_a_row - _GAP, ceil(font.getlength(title)) + 8)
    canvas = Image.new("RGB", (width, _LINE + (_LINE + SIZE) * rows), _BEHIND)
    draw = ImageDraw.Draw(canvas)
    draw.text((4, 2), title, _TEXT, font)
    for place, (episode, frame) in enumerate(zip(episodes, frames, strict=True)):
        left = (SIZE + _GAP) * (place % in_a_row)
        top = _LINE + (_LINE + SIZE) * (place // in_a_row)
        over = frame.step == episode.length
        told = outcome(episode) if over else f"step {frame.step}"
        draw.text((left + 4, top + 2), f"episode {episode.number}: {told}", _TEXT, font)
        canvas.paste(Image.fromarray(frame.picture), (left, top + _LINE))
    return canvas


def _mosaic(canvases: Sequence[Image.Image]) -> Image.Image:
    """Stack the first, middle and last canvas, which together show all colours."""
    chosen = [canvases[0], canvases[len(canvases) // 2], canvases[-1]]
    width, height = canvases[0].size
    mosaic = Image.new("RGB", (width, height * len(chosen)))
    for place, canvas in enumerate(chosen):
        mosaic.paste(canvas, (0, height * place))
    return mosaic
