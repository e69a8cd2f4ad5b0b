"""The clock's shares leave out the time that was stopped; its rates are those of each run."""

from fmq.training import clock as module
from fmq.training.clock import Clock


def test_shares_and_rates_leave_out_what_was_stopped(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    clock = Clock()
    for seconds in (1.0, 2.0):
        with clock.measure("update"):
            now[0] += seconds
    with clock.stopped():
        now[0] += 100
    now[0] += 1
    assert clock.row("update", "policy") == {
        "update_share": 0.75,
        "policy_share": 0.0,
        "update_rate": 0.5,
        "policy_rate": 0.0,
    }
    now[0] += 1
    assert clock.row("update") == {"update_share": 0.0, "update_rate": 0.0}


def test_of_runs_that_take_turns_the_share_is_that_of_all_and_the_rate_that_of_each(
    monkeypatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    clock = Clock(runs=2)
    for _ in range(6):
        with clock.measure("update"):
            now[0] += 1
    assert clock.row("update") == {"update_share": 1.0, "update_rate": 0.5}
