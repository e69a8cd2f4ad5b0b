"""QC-FQL (arXiv 2507.07969): flow matching, and a one-step policy trained on the flow and on Q.

The loss is that of Flow Q-learning (arXiv 2502.02538, Eq. 8), applied to chunks. There, the flow
and the one-step policy are two networks; here, they are the diagonal and X_{0,1} of one network.
"""

import torch
from torch import Tensor

from fmq.method import flow
from fmq.method.guidance import value_and_gradient
from fmq.methods.losses import ActorInputs, ActorLoss, matching

METHOD = {
    "label": "QC-FQL",
    "offline": "pretrain-fql",
    "sampler": "one_step",
    "actor_loss": "fql",
    "critic_target": "mean",
    "settings": {"flow_steps": "sampling.flow_steps", "alpha": "task_defaults.fql_alpha"},
}


def actor_loss(*, flow_steps: int, alpha: float) -> ActorLoss:
    """Return flow matching, plus the one-step policy's distance to the flow, minus Q.

    Args:
        flow_steps: Euler steps of the flow.
        alpha: weight of the squared distance between the one-step policy's chunks and the flow's.
    """

    def loss(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
        observations, noise = inputs.batch.observations, inputs.noise[1]
        matched = matching(inputs, inputs.noise[0], inputs.times[0])
        with torch.no_grad():
            flowed = flow.euler(inputs.velocity, observations, noise, flow_steps)
        zero = noise.new_zeros(len(noise), 1)
        jumped = flow.flow_map(inputs.velocity, observations, noise, zero, zero + 1)
        distillation = (jumped - flowed).square().mean()
        chunks = jumped.clamp(-1, 1)
        values, gradient = value_and_gradient(inputs.critic, observations, chunks.detach(), "mean")
        # Its gradient with respect to the policy is that of -Q; the critics get none.
        improvement = -(gradient * chunks).sum(-1).mean()
        total = matched + alpha * distillation + improvement
        return total, {"distillation_loss": distillation.detach(), "policy_value": values.mean()}

    return ActorLoss(noises=2, times=1, loss=loss)
