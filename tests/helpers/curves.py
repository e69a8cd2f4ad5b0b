"""Made-up online runs with known success rates and metrics, for the analysis."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pandas as pd

from fmq.config.study import Study
from fmq.pipeline.paths import run_folder
from fmq.pipeline.runs import make_run

Values = Callable[[str, str, int, int], float]
"""From task, method, seed and step."""
CHUNK_NUMBERS = 10  # H*A of a point maze's chunks of five actions


def set_success(study: Study, results: Path, success: Values) -> None:
    """Change the episodes that are there below `results`, so that rates of success are as told."""
    for task, seed, method in product(study.tasks, study.seeds, study.methods):
        folder = run_folder(make_run(study, task, seed, f"finetune-{method}"), results)
        for path in (folder / "evaluations.csv", folder / "last_evaluation.csv"):
            episodes = pd.read_csv(path)
            wins = [
                round(success(task, method, seed, step) * study.evaluation.episodes)
                for step in episodes["step"]
            ]
            episodes["success"] = (episodes["episode"] < wins).astype(int)
            episodes.to_csv(path, index=False)


def write_metrics(
    study: Study, results: Path, drift: Values, radius: float = 0.5, every: int = 1000
) -> None:
    """Write metrics.csv of every fine-tuning run below `results`, a row every `every` steps."""
    for task, seed, method in product(study.tasks, study.seeds, study.methods):
        rows = [
            {
                "step": step,
                "actor_loss": 0.1,
                **({"eta_effective": radius} if method == "fmq" else {}),
                "drift": drift(task, method, seed, step),
                "drift_mean": drift(task, method, seed, step) / CHUNK_NUMBERS,
                "last_success": float("nan"),
            }
            for step in range(every, study.online.steps + 1, every)
        ]
        folder = run_folder(make_run(study, task, seed, f"finetune-{method}"), results)
        pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False, na_rep="nan")
