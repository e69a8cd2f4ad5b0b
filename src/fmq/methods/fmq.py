"""FMQ, the paper's method (arXiv 2605.12416): regression on the optimum of Theorem 3.2.

In the released code only FMQ's own class takes the minimum of the critics; the code paths of MVP
and QC take the mean, online and offline. So FMQ alone leaves `critic_target` to the study.
"""

from torch import Tensor

from fmq.method.guidance import fmq_loss
from fmq.methods.losses import ActorInputs, ActorLoss, matching, self_distillation

METHOD = {
    "label": "FMQ",
    "offline": "distill",
    "sampler": "best_of_n",
    "settings": {
        "eta": "fmq.eta",
        "adaptive": "fmq.adaptive",
        "beta": "fmq.beta",
        "gradient_at": "fmq.gradient_at",
        "diagonal_weight": "fmq.diagonal_weight",
        "distillation_weight": "fmq.distillation_weight",
    },
}


def actor_loss(
    *,
    eta: float,
    adaptive: bool,
    beta: float,
    gradient_at: str,
    diagonal_weight: float,
    distillation_weight: float,
) -> ActorLoss:
    """Return the regression on Theorem 3.2's target, plus optional diagonal and ESD losses.

    Args:
        eta: radius of the trust region.
        adaptive: whether the radius shrinks to eta / (1 + beta d) where the critics disagree by d.
        beta: sensitivity to the disagreement.
        gradient_at: ``offline`` or ``online``, the policy at whose chunk the critic's gradient is
            taken.
        diagonal_weight, distillation_weight: weights of the additional losses; 0 leaves one out.
    """

    def loss(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
        networks = inputs.velocity, inputs.offline_velocity, inputs.critic
        data = inputs.batch.observations, inputs.batch.actions
        total, target = fmq_loss(
            *networks,
            *data,
            inputs.noise[0],
            inputs.times[0],
            eta=eta,
            beta=beta if adaptive else 0.0,
            gradient_at=gradient_at,
            valid=inputs.batch.valid,
        )
        if diagonal_weight:
            total = total + diagonal_weight * matching(inputs, inputs.noise[1], inputs.times[1])
        if distillation_weight:
            distilled = self_distillation(inputs, "esd", inputs.noise[2], inputs.times[2:])
            total = total + distillation_weight * distilled
        return total, {"eta_effective": target.eta.mean()}

    return ActorLoss(noises=3, times=4, loss=loss)
