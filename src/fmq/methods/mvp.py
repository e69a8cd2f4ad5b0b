"""MVP: a flow map that goes on with its offline loss, without guidance.

Distillation has this loss, too: it makes the flow map that MVP and FMQ start from.
"""

from torch import Tensor

from fmq.methods.losses import ActorInputs, ActorLoss, matching, self_distillation

METHOD = {
    "label": "MVP",
    "offline": "distill",
    "sampler": "best_of_n",
    "actor_loss": "flow_map",
    "critic_target": "mean",
    "settings": {"distillation": "offline.distillation"},
}


def actor_loss(*, distillation: str) -> ActorLoss:
    """Return flow matching plus self-distillation.

    Args:
        distillation: ``esd``, ``lsd`` or ``psd``.
    """

    def loss(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
        matched = matching(inputs, inputs.noise[0], inputs.times[0])
        distilled = self_distillation(inputs, distillation, inputs.noise[1], inputs.times[1:])
        return matched + distilled, {"distillation_loss": distilled.detach()}

    return ActorLoss(noises=2, times=4, loss=loss)
