"""Define the columns of the files that `fmq diagnose` and `fmq diagnose-report` write."""

from fmq.analysis.inputs.csvw import Column, Columns
from fmq.analysis.inputs.evaluations import TASK
from fmq.analysis.statistics.diagnosis import GAINS, SUCCESSES
from fmq.pipeline.diagnosis import KINDS

_RUN = Column("string", "run whose last checkpoint is examined")
_EPISODE = Column("integer", "number of the episode; its start is the same for all runs", 0)
_DECISION = Column("integer", "number of the chunk in the episode", 0)
_OUTCOME: Columns = {
    "q": Column("number", "Q of the chunk, by the critics as the run combines them"),
    "return": Column(
        "number",
        "discounted rewards from the decision on; an episode that is not solved goes on with its "
        "last reward for ever",
    ),
    "success": Column("integer", "1 if the episode is solved in the end, else 0", 0, 1),
}
_CALIBRATION: Columns = {"run": _RUN, "episode": _EPISODE, "decision": _DECISION, **_OUTCOME}
_BRANCHES: Columns = {
    **{"run": _RUN, "episode": _EPISODE, "decision": _DECISION},
    "kind": Column(
        "string",
        "sample of the policy (candidate), or step from the first sample: along the critic's "
        "gradient (guided), against it, or in a random direction",
        allowed=KINDS,
    ),
    "number": Column("integer", "number among those of its kind", 0),
    **_OUTCOME,
}
MEASURED: dict[str, tuple[Columns, tuple[str, ...]]] = {
    "calibration": (_CALIBRATION, ("run", "episode", "decision")),
    "branches": (_BRANCHES, ("run", "episode", "kind", "number")),
}
"""The columns of each table of `fmq diagnose`, and those that identify a row."""

_ESTIMATES = {
    "state_rank": "Spearman's correlation of Q and return over the samples at a state, mean over "
    "the ranked states; empty without one",
    "top": "return of the sample with the highest Q minus the mean of the samples",
    "best": "highest return of the samples minus their mean",
    "guided": "return after a step along the gradient minus that of the first sample",
    "against": "the same for a step against the gradient",
    "random": "the same for a step in a random direction",
}
_SOLVED = {
    "mean": "share of solved episodes over all samples",
    "top": "the same for the sample with the highest Q",
    "guided": "the same after a step along the gradient",
    "random": "the same after a step in a random direction",
}


def _estimate(name: str) -> Columns:
    ends = {"low": "lower", "high": "upper"}
    value = Column("number", _ESTIMATES[name], optional=name == "state_rank")
    return {name: value} | {
        f"{name}_{end}": Column("number", f"{word} end of its bootstrap interval", optional=True)
        for end, word in ends.items()
    }


REPORTED: Columns = {
    "task": TASK,
    "run": _RUN,
    "label": Column("string", "label of its method, or offline"),
    "seeds": Column("integer", "seeds behind the numbers", 1),
    "decisions": Column("integer", "decisions behind bias, error and rank", 1),
    "bias": Column("number", "mean of Q minus the return"),
    "error": Column("number", "root mean square of Q minus the return", 0),
    "rank": Column(
        "number",
        "Spearman's correlation of Q and return over the decisions of a seed, mean over seeds; "
        "empty if all returns are the same",
        -1,
        1,
        optional=True,
    ),
    "states": Column("integer", "states at which chunks are compared", 1),
    "ranked": Column("integer", "states at which the returns of the samples differ", 0),
    **{key: row for name in ("state_rank", *GAINS) for key, row in _estimate(name).items()},
    **{f"success_{name}": Column("number", _SOLVED[name], 0, 1) for name in SUCCESSES},
}
"""The columns of diagnosis.csv."""
