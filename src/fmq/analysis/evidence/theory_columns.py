"""Define the columns of the files that `fmq theory` and `fmq theory-report` write."""

from fmq.analysis.inputs.csvw import Column, Columns
from fmq.analysis.inputs.evaluations import TASK
from fmq.pipeline.runs import DISTILLATIONS

_CRITIC = Column(
    "string",
    "FMQ's critics where it starts (offline) and ends (online), random quadratics, or quadratics "
    "without a gradient (flat)",
    allowed=("offline", "online", "quadratic", "flat"),
)
_STATES = Column("integer", "states behind the means", minimum=1)
_SHARE = Column("number", "share of states at which Q rises", 0, 1)
_DISTILLATION = Column("string", "distillation of the flow map", allowed=DISTILLATIONS)
_JUMP = Column("number", "1 - r, the flow time that a jump to 1 covers", 0, 1)
_RADIUS = Column("number", "length of the displacement along the gradient", 0)
_UPDATE = Column("integer", "gradient steps on the FMQ loss with frozen critics", 0)


MEASURED: dict[str, tuple[Columns, tuple[str, ...]]] = {
    "optimum": (
        {
            "critic": _CRITIC,
            "problem": Column("integer", "number of the state and chunk", 0),
            "size": Column("integer", "number of components of a chunk", 1),
            "eta": Column("number", "radius of the trust region", 0),
            "gradient_norm": Column("number", "|| g ||, with g the gradient of Q in the chunk", 0),
            "starts": Column("integer", "random starts of the solver", 1),
            "converged": Column("integer", "starts from which it converged", 0),
            "displacement_gap": Column("number", "largest distance to the closed form", 0),
            "objective_gap": Column("number", "largest difference of <g, d> to the closed form", 0),
            "activity": Column("number", "|| d || - eta that is farthest from 0"),
            "multiplier": Column("number", "lambda of g = lambda d farthest from || g || / eta"),
            "closed_multiplier": Column("number", "|| g || / eta", 0),
            "closed_gain": Column("number", "Q at the closed form's chunk minus Q"),
            "best_gain": Column("number", "largest Q found in the ball minus Q"),
            "best_length": Column("number", "length of that displacement", 0),
            "closed_length": Column("number", "length of the closed form", 0),
        },
        ("critic", "problem"),
    ),
    "first_order": (
        {
            "critic": _CRITIC,
            "eta": _RADIUS,
            "gain": Column("number", "mean of Q(a_1 + eta g / || g ||) - Q(a_1)"),
            "predicted": Column("number", "mean of eta || g ||", 0),
            "raised": _SHARE,
            "states": _STATES,
        },
        ("critic", "eta"),
    ),
    "map": (
        {
            "distillation": _DISTILLATION,
            "jump": _JUMP,
            "flow_error": Column("number", "mean distance of X_{r,1} to the flow of u_{t,t}", 0),
            "semigroup_error": Column("number", "mean distance of two jumps to one", 0),
            "distance": Column("number", "mean distance that the flow travels", 0),
            "integration_error": Column("number", "mean change with steps twice as long", 0),
            "states": _STATES,
        },
        ("distillation", "jump"),
    ),
    "improvement": (
        {
            "update": _UPDATE,
            "displacement": Column("number", "mean || u - u_off ||", 0),
            "eta": Column("number", "mean radius of the trust region", 0),
            "gain": Column("number", "mean rise of Q at the clipped chunk of the policy"),
            "free_gain": Column("number", "mean rise of Q at a_1 + (1 - r) (u - u_off)"),
            "predicted": Column("number", "mean of <g, (1 - r) (u - u_off)>"),
            "promised": Column("number", "mean of <g, (1 - r) (u* - u_off)>"),
            "raised": _SHARE,
            "states": _STATES,
        },
        ("update",),
    ),
}
"""The columns of each file of `fmq theory`, and those that identify a row."""

_SEEDS = Column("integer", "seeds behind the numbers", minimum=1)
_DEVIATION = Column("number", "standard deviation over seeds; empty with one", 0, optional=True)


def _mean(description: str) -> Column:
    return Column("number", f"{description}, mean over seeds")


def _holds(description: str) -> Column:
    return Column("integer", f"1 if {description}, else 0", 0, 1)


def _gap(description: str) -> Column:
    return Column("number", f"largest {description}; empty where g = 0", 0, optional=True)


def _gain_share(description: str) -> Column:
    return Column("number", description, optional=True)


REPORTED: dict[str, Columns] = {
    "optimum": {
        "task": TASK,
        "critic": _CRITIC,
        "seeds": _SEEDS,
        "problems": Column("integer", "states and chunks, over all seeds", 1),
        "converged": Column("number", "share of starts from which the solver converged", 0, 1),
        "unsolved": Column("integer", "problems without a start that converged", 0),
        "displacement_gap": _gap("|| d - d* || / eta"),
        "objective_gap": Column(
            "number", "largest |<g, d - d*>| / (eta || g ||); of |<g, d>| where g = 0", 0
        ),
        "activity_gap": _gap("| || d || / eta - 1 |"),
        "multiplier_gap": Column(
            "number", "largest |lambda eta / || g || - 1|; of |lambda| where g = 0", 0
        ),
        "holds": _holds("all of these are at most the tolerance and all problems are solved"),
        "share": _gain_share(
            "median share of the largest gain in the ball that the closed form attains"
        ),
        "share_low": _gain_share("its 10% quantile"),
        "share_high": _gain_share("its 90% quantile"),
        "raised": Column("number", "share of problems where the closed form raises Q", 0, 1),
    },
    "first_order": {
        "task": TASK,
        "critic": _CRITIC,
        "eta": _RADIUS,
        "seeds": _SEEDS,
        "gain": _mean("measured rise of Q"),
        "gain_deviation": _DEVIATION,
        "predicted": _mean("eta || g ||"),
        "ratio": Column("number", "gain / predicted; empty without a gradient", optional=True),
        "raised": _SHARE,
        "holds": _holds("Q rises on average in every seed"),
    },
    "map": {
        "task": TASK,
        "distillation": _DISTILLATION,
        "jump": _JUMP,
        "seeds": _SEEDS,
        "flow_error": _mean("distance of X_{r,1} to the flow of u_{t,t}"),
        "flow_error_deviation": _DEVIATION,
        "semigroup_error": _mean("distance of two jumps to one"),
        "semigroup_error_deviation": _DEVIATION,
        "distance": _mean("distance that the flow travels"),
        "integration_error": Column("number", "largest change with steps twice as long", 0),
        "holds": _holds("steps twice as long change no digit that is shown"),
    },
    "improvement": {
        "task": TASK,
        "update": _UPDATE,
        "seeds": _SEEDS,
        "displacement": _mean("|| u - u_off ||"),
        "eta": _mean("radius of the trust region"),
        "gain": _mean("rise of Q at the clipped chunk of the policy"),
        "gain_deviation": _DEVIATION,
        "free_gain": _mean("rise of Q at a_1 + (1 - r) (u - u_off)"),
        "predicted": _mean("<g, (1 - r) (u - u_off)>"),
        "promised": _mean("<g, (1 - r) (u* - u_off)>"),
        "raised": _SHARE,
        "holds": _holds("Q rises on average in every seed"),
    },
}
"""The columns of each file of `fmq theory-report`."""
