"""fmq's methods, as data: (offline checkpoint, online actor loss, acting sampler).

A study may have others beside them (`fmq.own_methods`, `fmq.imported`): `Study.method` knows all.
Names refer to functions elsewhere (`fmq.training.actor_losses`, `fmq.policy`), so that the workflow
can read this file without importing torch.
"""

from dataclasses import dataclass
from typing import Literal

Aggregate = Literal["mean", "min"]


@dataclass(frozen=True)
class Pretraining:
    """An offline run that starts from nothing, ``pretrain-NAME``.

    Attributes:
        actor_loss: loss of the policy, a key of `fmq.training.actor_losses.ACTOR_LOSSES`.
        sampler: picks the critic target's next chunk, and acts when the policy is evaluated.
        single: whether its chunks are of a single action, and its backup of one step; with
            ``n-step`` the backup is over the task's H steps all the same.
    """

    actor_loss: str
    sampler: str
    single: bool | Literal["n-step"] = False


@dataclass(frozen=True)
class Method:
    """One row of the comparison.

    Attributes:
        label: how tables and figures call it.
        offline: offline run it starts from, ``distill`` (a flow map) or ``pretrain-NAME``; None if
            it is not trained here but imported, as a flow map.
        actor_loss: online loss of the policy, a key of `fmq.training.actor_losses.ACTOR_LOSSES`,
            or the name of a method in a file of its own; of an imported one there is none.
        sampler: how it acts, and how the critic target picks the next chunk.
        interacts: whether it collects transitions online; without, it only keeps updating.
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
        """Whether it is trained here."""
        return self.offline is not None


PRETRAININGS = {
    "full": Pretraining("diagonal", "best_of_n_euler"),
    "warmup": Pretraining("diagonal", "best_of_n_euler"),
    "fql": Pretraining("fql", "one_step"),
    "single": Pretraining("diagonal", "best_of_n_euler", single=True),
    "n-step": Pretraining("diagonal", "best_of_n_euler", single="n-step"),
}

# The released code takes the smaller critic in FMQ's own class alone; its only path to MVP, and QC,
# take the mean, online and offline.
# QC, QC-FQL, BFN and BFN-n are of "Reinforcement Learning with Action Chunking" (arXiv 2507.07969).
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

# A sampler that jumps along the flow map is meaningless on a policy trained on the diagonal alone.
FLOW_MAP_SAMPLERS = {"one_step", "best_of_n", "qgbs"}


def is_flow_map(start: str | None) -> bool:
    """Whether a policy whose offline run was `start`, `Method.offline`, is a flow map."""
    return start is None or start.startswith("distill")


def fitting_samplers(start: str | None) -> list[str]:
    """Samplers that make sense on a policy whose offline run was `start`, `Method.offline`.

    QC-FQL trains the diagonal and X_{0,1}, but no jump from a time in between, as QGBS makes.
    """
    if is_flow_map(start):
        return list(SAMPLER_LABELS)
    without = {"qgbs"} if start == "pretrain-fql" else FLOW_MAP_SAMPLERS
    return [name for name in SAMPLER_LABELS if name not in without]
