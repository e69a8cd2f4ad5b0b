"""The method as pure functions on tensors: flow maps, critic, guidance and samplers.

The symbols are the paper's: state s, noise a_0 ~ N(0, I), data chunk a_1, flow times
0 <= r <= t <= 1, interpolant a_r, average velocity u_{r,t}. In shapes, O is the size of an
observation and H*A that of a flattened chunk of H actions; "..." is any number of leading axes.

`velocity` is any function u(observations, actions, r, t), and `critic` any function
Q(observations, actions) that returns the values of two critics, shape (2, ...): networks and
formulas alike.
"""

from fmq.method.critic import aggregate, bellman_target, critic_loss, update_target
from fmq.method.flow import (
    Velocity,
    curriculum_interval,
    curriculum_progress,
    diagonal_loss,
    esd_loss,
    euler,
    flow_map,
    interpolate,
    lsd_loss,
    masked_error,
    one_step,
    psd_loss,
)
from fmq.method.guidance import (
    CriticFunction,
    FMQTarget,
    adaptive_radius,
    fmq_loss,
    fmq_target,
    normalized,
    value_and_gradient,
)
from fmq.method.samplers import best_of_n, qgbs, repeat_observations

__all__ = [  # noqa: RUF022  in the order of the reference
    "Velocity",
    "interpolate",
    "flow_map",
    "one_step",
    "euler",
    "diagonal_loss",
    "curriculum_progress",
    "curriculum_interval",
    "esd_loss",
    "lsd_loss",
    "psd_loss",
    "masked_error",
    "CriticFunction",
    "aggregate",
    "bellman_target",
    "critic_loss",
    "update_target",
    "value_and_gradient",
    "normalized",
    "adaptive_radius",
    "FMQTarget",
    "fmq_target",
    "fmq_loss",
    "repeat_observations",
    "best_of_n",
    "qgbs",
]
