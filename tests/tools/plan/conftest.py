"""Made-up rates, so that nothing here depends on how fast a machine is."""

import pytest

from fmq.config.study import Study
from fmq.tools.plan.rates import Rates, TaskRates

RUNS = ("pretrain-warmup", "pretrain-full", "distill-esd")
METHODS = ("fmq", "mvp", "qc", "mvp-no-new-data")


@pytest.fixture
def task_rates() -> TaskRates:
    """Rates with distinct decimal places, so that a sum shows what it is made of."""
    runs = (*RUNS, *(f"finetune-{method}" for method in METHODS))
    return TaskRates(
        importing=1.0,
        making=0.5,
        reset=0.0,
        step=0.001,
        updates=dict.fromkeys(runs, 0.1),
        operations=dict.fromkeys(runs, 2e9),
        collecting={f"finetune-{method}": 0.01 for method in METHODS if "no" not in method},
        acting={"best_of_n": 0.02, "best_of_n_euler": 0.03, "qgbs": 0.04},
        checkpoint_bytes=1_000_000,
        row_bytes=100,
    )


@pytest.fixture
def rates(smoke: Study, task_rates: TaskRates) -> Rates:
    """Rates of the smoke study."""
    return Rates(2, "cpu", 3.0, 1.0, dict.fromkeys(smoke.tasks, task_rates))
