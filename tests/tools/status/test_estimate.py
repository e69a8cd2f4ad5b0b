"""The time that a study still takes, on cases with known answers."""

import re
from pathlib import Path

import pytest

from fmq.tools.status.estimate import (
    OTHER_SECONDS,
    PRIOR,
    TRAINING,
    Running,
    seconds_left,
)


def test_every_rule_with_a_prior_exists(root: Path) -> None:
    files = [root / "Snakefile", *(root / "workflow" / "rules").glob("*.smk")]
    rules = {
        name
        for file in files
        for name in re.findall(r"^rule (\w+):", file.read_text(), re.MULTILINE)
    }
    assert set(PRIOR) <= rules


def test_nothing_is_said_before_anything_was_trained() -> None:
    assert seconds_left({"pretrain": 3, "tables": 1}, [Running("dataset", 5.0)], {}) is None
    assert seconds_left({"tables": 1}, [Running("finetune", 500.0)], {"dataset": [9.0]}) is None


def test_a_study_without_training_has_a_time_at_once() -> None:
    assert seconds_left({"evaluate": 4}, [], {}) == pytest.approx(4 * PRIOR["evaluate"])
    assert seconds_left({"theory": 2}, [], {}) == pytest.approx(2 * OTHER_SECONDS)


def test_the_work_is_shared_by_what_runs_now() -> None:
    seen = {"pretrain": [10.0, 30.0]}  # 20 on average
    one = [Running("pretrain", 15.0)]
    assert seconds_left({"pretrain": 3}, one, seen) == pytest.approx(3 * 20 + 5)
    assert seconds_left({"pretrain": 3}, one * 2, seen) == pytest.approx((3 * 20 + 2 * 5) / 2)


def test_what_was_seen_of_one_stage_tells_of_the_others_by_their_ratio() -> None:
    hours = 360 * TRAINING["pretrain"]
    left = seconds_left({"finetune": 2, "tables": 1}, [], {"pretrain": [hours]})
    assert left == pytest.approx(2 * 360 * TRAINING["finetune"] + PRIOR["tables"])


def test_a_running_job_whose_log_says_how_far_it_is_counts_as_seen() -> None:
    running = [Running("finetune", 40.0, left=60.0), Running("finetune", 10.0)]
    assert seconds_left({"finetune": 2}, running, {}) == pytest.approx((60 + 90 + 2 * 100) / 2)


def test_the_longest_running_job_is_waited_for() -> None:
    running = [Running("finetune", 0.0, left=300.0), *[Running("evaluate", 4.0)] * 3]
    assert seconds_left({}, running, {"evaluate": [5.0]}) == pytest.approx(300)


def test_a_job_that_outlasts_those_before_it_raises_what_is_expected() -> None:
    left = seconds_left({"evaluate": 2}, [Running("evaluate", 60.0)], {"evaluate": [5.0]})
    assert left == pytest.approx(2 * 60)


def test_nothing_is_left_of_nothing() -> None:
    assert seconds_left({}, [], {"pretrain": [9.0]}) == 0
