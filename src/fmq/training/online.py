"""Online fine-tuning: act in the simulator, and learn from all data seen so far."""

from collections.abc import Sequence
from pathlib import Path

from fmq.pipeline.runs import Run
from fmq.training.session import opened


def finetune(runs: Sequence[Run], results: Path) -> None:
    """Run `finetune-METHOD` for its budget of environment steps, from where it stopped.

    A method without interaction makes the same updates at the same steps on the offline data alone.
    The final policy is evaluated.

    Args:
        runs: the same run for one seed, or for several in ascending order, trained in lockstep.
    """
    stage, log_every = runs[0].online, runs[0].training.log_every
    acting = ("environment", "policy") if stage.interacts else ()
    with opened(runs, results) as session:
        for step in session.steps("steps"):
            session.act()
            if step <= stage.start_training or step % stage.update_every:
                continue
            gradient_step = stage.first_update + stage.updates(step)
            measure = gradient_step % log_every == 0
            found = session.update(gradient_step, measure)
            if measure:
                at = {"step": step, "gradient_step": gradient_step}
                rows = [
                    at | measured | bench.online_row()
                    for measured, bench in zip(found, session.benches, strict=True)
                ]
                session.record(rows, *acting, "sampling", "update")
