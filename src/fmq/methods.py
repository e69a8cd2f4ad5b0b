"""The methods under comparison, as data: (offline checkpoint, online actor loss, acting sampler).

Names refer to functions elsewhere (`fmq.training.actor_losses`, `fmq.policy`), so that this file
can be read by the workflow without importing torch.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """One row of the comparison.

    Attributes:
        label: how tables and figures call it.
        offline: kind of offline run it starts from, ``distill`` (a flow map) or ``pretrain-full``.
        actor_loss: online loss of the policy, a key of `fmq.training.actor_losses.ACTOR_LOSSES`.
        sampler: how it acts, and how the critic target picks the next chunk.
        interacts: whether it collects transitions online; without, it only keeps updating.
        critic_target: ``mean`` or ``min`` over the critics; None takes `online.critic_target`.
    """

    label: str
    offline: str
    actor_loss: str
    sampler: str
    interacts: bool = True
    critic_target: str | None = None


METHODS = {
    "fmq": Method("FMQ", "distill", "fmq", "best_of_n"),
    "mvp": Method("MVP", "distill", "flow_map", "best_of_n"),
    "qc": Method("QC", "pretrain-full", "diagonal", "best_of_n_euler", critic_target="mean"),
    "mvp-no-new-data": Method(
        "MVP, no new data", "distill", "flow_map", "best_of_n", interacts=False
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


def row_label(method: str, sampler: str) -> str:
    """Name of a (method, sampler) row: "FMQ", or "FMQ+QGBS" for a second sampler."""
    label = METHODS[method].label
    if sampler == METHODS[method].sampler:
        return label
    return f"{label}+{SAMPLER_LABELS[sampler]}"
