"""Made-up online runs with known success rates and metrics, for the analysis."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from fmq.settings import Study

Values = Callable[[str, str, int, int], float]
"""From task, method, seed and step."""


def set_success(study: Study, runs: Path, success: Values) -> None:
    """Change the episodes that are there below `runs`, so that rates of success are as told."""
    for task in study.tasks:
        for seed in study.seeds:
            for method in study.methods:
                folder = runs / task / f"seed{seed}"
                for path in (
                    folder / f"finetune-{method}" / "evaluations.csv",
                    folder / f"finetune-{method}" / "last_evaluation.csv",
                ):
                    episodes = pd.read_csv(path)
                    wins = [
                        round(success(task, method, seed, step) * study.evaluation.episodes)
                        for step in episodes["step"]
                    ]
                    episodes["success"] = (episodes["episode"] < wins).astype(int)
                    episodes.to_csv(path, index=False)


def write_metrics(
    study: Study, runs: Path, rate: Values, drift: Values, radius: float = 0.5, every: int = 1000
) -> None:
    """metrics.csv of every fine-tuning run below `runs`, a row every `every` steps."""
    for task in study.tasks:
        for seed in study.seeds:
            for method in study.methods:
                rows = [
                    {
                        "step": step,
                        "actor_loss": 0.1,
                        **({"eta_effective": radius} if method == "fmq" else {}),
                        "drift": drift(task, method, seed, step),
                        "last_success": float("nan"),
                        **(
                            {}
                            if method == "mvp-no-new-data"
                            else {"environment_rate": rate(task, method, seed, step)}
                        ),
                    }
                    for step in range(every, study.online.steps + 1, every)
                ]
                folder = runs / task / f"seed{seed}" / f"finetune-{method}"
                pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False, na_rep="nan")
