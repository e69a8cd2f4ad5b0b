"""Offline training: `pretrain` trains the diagonal, `distill` turns it into a flow map."""

from collections.abc import Sequence
from pathlib import Path

from fmq.pipeline.runs import Run
from fmq.training.session import opened


def train_offline(runs: Sequence[Run], results: Path) -> None:
    """Run `pretrain-BUDGET` or `distill-KIND` to its last gradient step, from where it stopped.

    Steps count from the start of pre-training, so distillation continues where the warm-up stopped.
    The final policy is evaluated if the run is scored.

    Args:
        runs: the same run for one seed, or for several in ascending order, trained in lockstep.
    """
    last, log_every = runs[0].last_step, runs[0].training.log_every
    with opened(runs, results) as session:
        for step in session.steps("updates"):
            measure = step % log_every == 0 or step == last
            rows = session.update(step, measure)
            if measure:
                session.record([{"step": step, **row} for row in rows], "sampling", "update")
