"""When curves reach levels: closed forms, and what must hold for any curves."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fmq.analysis.statistics.crossings import LEVELS, cost_of, crossings, first_reached, speedups

EVALUATIONS = 6
STEPS = np.arange(1.0, EVALUATIONS + 1) * 100
curves = arrays(float, (1, EVALUATIONS), elements=st.integers(0, 20).map(lambda wins: wins / 20))


def step_function(place: int, height: float) -> np.ndarray:
    """0 before the evaluation at `place`, then `height`; shape (1, E)."""
    return np.where(np.arange(EVALUATIONS) >= place, height, 0.0)[None]


def test_a_step_function_is_at_every_level_at_its_step() -> None:
    found = crossings(step_function(1, 0.8), step_function(3, 0.8))
    np.testing.assert_allclose(found.success, [[0.6, 0.68, 0.76, 0.8]])
    assert found.ours.tolist() == [[1] * 4]
    assert found.theirs.tolist() == [[3] * 4]
    least, most = speedups(found, STEPS)
    np.testing.assert_allclose(least, 400 / 200)
    np.testing.assert_array_equal(least, most)


def test_a_ramp_is_at_each_level_at_its_own_evaluation() -> None:
    ramp = np.array([[0.2, 0.5, 0.76, 0.85, 0.96, 1.0]])
    assert crossings(ramp, ramp).ours.tolist() == [[2, 3, 4, 5]]


def test_between_evaluations_the_curve_is_a_straight_line() -> None:
    ramp = np.array([[0.5, 0.5, 0.75, 0.75, 1.0, 0.0]])
    # 0.75 at the third evaluation; 0.85, 0.95 and 1 on the way to the fifth.
    found = crossings(ramp, ramp, between=True)
    np.testing.assert_allclose(found.ours, [[2, 3.4, 3.8, 4]])
    np.testing.assert_allclose(cost_of(found.ours, STEPS), [[300, 440, 480, 500]])
    # Before the first evaluation nothing is known, and what stays below is censored all the same.
    early = crossings(step_function(0, 0.7), step_function(2, 0.8), between=True)
    assert early.ours.tolist() == [[0, 0, EVALUATIONS, EVALUATIONS]]
    np.testing.assert_allclose(early.theirs, [[1.75, 1.85, 1.95, 2]])
    _, most = speedups(early, STEPS)
    np.testing.assert_allclose(most, [[2.75, 2.85, 2.95 / 6, 3 / 6]])


@given(curves, curves)
def test_interpolated_places_are_within_one_evaluation(
    ours: np.ndarray, theirs: np.ndarray
) -> None:
    first, between = crossings(ours, theirs), crossings(ours, theirs, between=True)
    for place, line in ((first.ours, between.ours), (first.theirs, between.theirs)):
        assert (line <= place).all()
        assert (line >= np.maximum(place - 1, 0)).all()
        assert ((line == EVALUATIONS) == (place == EVALUATIONS)).all()


def test_what_stays_below_is_censored_with_a_bound_and_without_a_cost() -> None:
    # FMQ gets to 0.7 of MVP's 0.8: past 85% (0.68), not to 95% (0.76).
    found = crossings(step_function(0, 0.7), step_function(2, 0.8))
    assert found.ours.tolist() == [[0, 0, EVALUATIONS, EVALUATIONS]]
    np.testing.assert_array_equal(cost_of(found.ours, STEPS), [[100, 100, np.nan, np.nan]])
    least, most = speedups(found, STEPS)
    np.testing.assert_allclose(least, [[3, 3, 0, 0]])
    np.testing.assert_allclose(most, [[3, 3, 300 / 600, 300 / 600]])


def test_without_a_success_of_mvp_there_is_no_level_and_no_speedup() -> None:
    nothing = step_function(0, 0.0)
    for ours in (nothing, step_function(0, 1.0)):
        assert np.isnan(speedups(crossings(ours, nothing), STEPS)).all()


def test_levels_are_the_highest_point_and_not_the_last() -> None:
    theirs = np.array([[0.0, 0.9, 0.1, 0.1, 0.1, 0.1]])
    found = crossings(step_function(5, 0.5), theirs)
    assert found.theirs.tolist() == [[1] * 4]
    assert found.ours.tolist() == [[EVALUATIONS] * 4]


def test_a_sum_in_another_order_is_the_same_level() -> None:
    ours = step_function(0, 0.1 + 0.2 + 0.3)
    theirs = step_function(0, 0.3 + 0.2 + 0.1)
    assert not np.array_equal(ours, theirs)
    for pair in ((ours, theirs), (theirs, ours)):
        assert crossings(*pair).ours.tolist() == [[0] * 4]


@given(curves)
def test_against_itself_the_speedup_is_one(curve: np.ndarray) -> None:
    least, most = speedups(crossings(curve, curve), STEPS)
    expected = np.full((1, len(LEVELS)), 1.0 if curve.max() > 0 else np.nan)
    np.testing.assert_array_equal(least, expected)
    np.testing.assert_array_equal(most, expected)


@given(curves, curves)
def test_mvp_reaches_every_level_and_bounds_are_in_order(
    ours: np.ndarray, theirs: np.ndarray
) -> None:
    found = crossings(ours, theirs)
    assert (found.theirs < EVALUATIONS).all()
    least, most = speedups(found, STEPS)
    there = ~np.isnan(most)
    assert (least[there] <= most[there]).all()
    reached = found.ours < EVALUATIONS
    assert ((least == most) == reached)[there].all()


@given(curves, st.integers(1, EVALUATIONS), st.floats(0.01, 1))
def test_a_shorter_budget_never_shortens_the_way(
    curve: np.ndarray, budget: int, level: float
) -> None:
    """It reaches the level where the longer one does, or nowhere; and the bound holds."""
    whole = first_reached(curve, np.array([[level]])).item()
    cut = first_reached(curve[:, :budget], np.array([[level]])).item()
    assert cut == min(whole, budget)
    theirs = step_function(0, level)
    true = speedups(crossings(curve, theirs), STEPS)
    known = speedups(crossings(curve[:, :budget], theirs[:, :budget]), STEPS[:budget])
    assert (known[0] <= true[0]).all()
    assert (true[1] <= known[1]).all()


@given(curves, curves)
def test_a_better_curve_is_never_later(ours: np.ndarray, theirs: np.ndarray) -> None:
    better = np.minimum(ours + 0.1, 1.0)
    worse_places = crossings(ours, theirs).ours
    assert (crossings(better, theirs).ours <= worse_places).all()
    # And levels rise, so that higher ones are not reached sooner.
    assert (np.diff(worse_places, axis=1) >= 0).all()
