"""fmq's methods as data: offline checkpoint, online actor loss and sampler of each.

A study may add others (`own_methods`, `imported`); `Study.method` finds all of them.
Losses and samplers are given by name and defined elsewhere (`training.actor_losses`,
`acting.policy`), so that the workflow can read this module without importing torch.
"""

from dataclasses import dataclass
from typing import Literal

Aggregate = Literal["mean", "min"]


@dataclass(frozen=True)
class Pretraining:
    """An offline run that trains from scratch, ``pretrain-NAME``.

    Attributes:
        actor_loss: loss of the policy, a key of `fmq.training.actor_losses.ACTOR_LOSSES`.
        sampler: sampler that selects the next chunk in the critic target, and acts in evaluations.
        single: whether chunks have a single action and the critic backup spans one step; with
            ``n-step``, chunks have a single action but the backup spans the task's H steps.
    """

    actor_loss: str
    sampler: str
    single: bool | Literal["n-step"] = False


@dataclass(frozen=True)
class Method:
    """One row of the comparison.

    Attributes:
        label: label in tables and figures.
        offline: offline run that it starts from, ``distill`` (a flow map) or ``pretrain-NAME``;
            None for an imported method, which is not trained here and is a flow map.
        actor_loss: online loss of the policy, a key of `fmq.training.actor_losses.ACTOR_LOSSES`,
            or the name of a user-defined method; empty for an imported one.
        sampler: sampler that acts, and selects the next chunk in the critic target.
        interacts: whether it collects transitions online; if not, it only continues training.
        critic_target: ``mean`` or ``min`` over the critics; None takes `online.critic_target`.
    """

    label: str
    offline: str | None
    actor_loss: str
    sampler: str
    interacts: bool = True
    critic_target: Aggregate | None = None

    @property
    def trained(self) -> bool:
        """Whether the method is trained here, not imported."""
        return self.offline is not None


PRETRAININGS = {
    "full": Pretraining("diagonal", "best_of_n_euler"),
    "warmup": Pretraining("diagonal", "best_of_n_euler"),
    "fql": Pretraining("fql", "one_step"),
    "single": Pretraining("diagonal", "best_of_n_euler", single=True),
    "n-step": Pretraining("diagonal", "best_of_n_euler", single="n-step"),
}

# In the released code only FMQ's own class takes the minimum of the critics. The code paths of MVP
# and QC take the mean, online and offline.
# QC, QC-FQL, BFN and BFN-n are from "Reinforcement Learning with Action Chunking" (arXiv
# 2507.07969).
METHODS = {
    "fmq": Method("FMQ", "distill", "fmq", "best_of_n"),
    "mvp": Method("MVP", "distill", "flow_map", "best_of_n", critic_target="mean"),
    "qc": Method("QC", "pretrain-full", "diagonal", "best_of_n_euler", critic_target="mean"),
    "mvp-no-new-data": Method(
        "MVP, no new data", "distill", "flow_map", "best_of_n", False, critic_target="mean"
    ),
    "qc-fql": Method("QC-FQL", "pretrain-fql", "fql", "one_step", critic_target="mean"),
    "bfn": Method("BFN", "pretrain-single", "diagonal", "best_of_n_euler", critic_target="mean"),
    "bfn-n": Method(
        "BFN-n", "pretrain-n-step", "diagonal", "best_of_n_euler", critic_target="mean"
    ),
}

SAMPLER_LABELS = {
    "one_step": "one step",
    "euler": "Euler",
    "best_of_n": "best of N",
    "best_of_n_euler": "best of N, Euler",
    "qgbs": "QGBS",
}

# Samplers that jump along the flow map are meaningless for a policy trained only on the diagonal.
FLOW_MAP_SAMPLERS = {"one_step", "best_of_n", "qgbs"}


def is_flow_map(start: str | None) -> bool:
    """Return whether a policy whose `Method.offline` is `start` is a flow map."""
    return start is None or start.startswith("distill")


def fitting_samplers(start: str | None) -> list[str]:
    """Return fmq's samplers that suit a policy whose `Method.offline` is `start`.

    QC-FQL trains the diagonal and X_{0,1}, but no jumps from times in between, which QGBS makes.
    """
    if is_flow_map(start):
        return list(SAMPLER_LABELS)
    without = {"qgbs"} if start == "pretrain-fql" else FLOW_MAP_SAMPLERS
    return [name for name in SAMPLER_LABELS if name not in without]
