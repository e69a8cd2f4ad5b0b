"""Schedules whose length can be told without a computer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmq.tools.plan.schedule import Timed, longest_chain, makespan


def job(name: str, seconds: float, *needs: str, priority: int = 0, cores: int = 1) -> Timed:
    return Timed(name, needs, priority, cores, seconds)


def test_a_chain_takes_its_sum_on_any_number_of_cores() -> None:
    chain = [job("a", 1), job("b", 2, "a"), job("c", 3, "b")]
    assert longest_chain(chain) == 6
    for cores in (1, 2, 8):
        assert makespan(chain, cores) == 6


@pytest.mark.parametrize(("cores", "seconds"), [(1, 14), (2, 8), (3, 6), (7, 2), (20, 2)])
def test_equal_independent_jobs_fill_the_cores_in_rounds(cores: int, seconds: float) -> None:
    jobs = [job(str(number), 2) for number in range(7)]
    assert makespan(jobs, cores) == seconds
    assert longest_chain(jobs) == 2


def test_the_highest_priority_starts_first() -> None:
    # By order alone the long job would start last: 1 + 1 beside each other, then 4.
    jobs = [job("a", 1), job("b", 1), job("long", 4)]
    assert makespan(jobs, 2) == 5
    assert makespan([*jobs[:2], job("long", 4, priority=1)], 2) == 4


def test_a_job_waits_for_all_that_it_needs() -> None:
    fork = [job("root", 1), job("short", 1, "root"), job("long", 5, "root")]
    assert makespan([*fork, job("end", 1, "short", "long")], 2) == 7
    assert longest_chain([*fork, job("end", 1, "short", "long")]) == 7


def test_a_wide_job_takes_all_cores_if_there_are_fewer_than_it_claims() -> None:
    jobs = [job("wide", 3, cores=8), job("a", 1), job("b", 1)]
    assert makespan(jobs, 2) == 4  # alone, then both others
    assert makespan(jobs, 9) == 3  # one after the other beside it


def test_a_narrow_job_goes_past_a_wide_one_that_does_not_fit() -> None:
    jobs = [job("running", 2), job("wide", 1, cores=2, priority=1), job("narrow", 1)]
    assert makespan(jobs, 2) == 3  # wide first, being of higher priority
    jobs = [job("running", 2, priority=2), *jobs[1:]]
    assert makespan(jobs, 2) == 3  # narrow beside the running one, then wide


def test_nothing_takes_no_time() -> None:
    assert makespan([], 2) == longest_chain([]) == 0


@st.composite
def studies(draw: st.DrawFn) -> list[Timed]:
    """Jobs that need any of those before them."""
    jobs: list[Timed] = []
    for number in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.sampled_from(range(number)))) if number else set()
        seconds = draw(st.integers(0, 20))
        jobs.append(
            job(str(number), seconds, *map(str, sorted(needs)), priority=draw(st.integers(0, 2)))
        )
    return jobs


@given(jobs=studies(), cores=st.integers(1, 4))
def test_no_schedule_beats_the_longest_chain_or_all_cores_at_work(
    jobs: list[Timed], cores: int
) -> None:
    total = sum(one.seconds for one in jobs)
    wall = makespan(jobs, cores)
    assert max(longest_chain(jobs), total / cores) <= wall <= total
    # Graham's bound: whatever the order, no list schedule is longer.
    assert wall <= total / cores + longest_chain(jobs) * (1 - 1 / cores) + 1e-9
