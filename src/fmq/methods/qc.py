"""QC, Q-chunking (arXiv 2507.07969): a flow policy whose chunks the critics choose.

Pre-training has this loss, too.
"""

from torch import Tensor

from fmq.methods.losses import ActorInputs, ActorLoss, matching

METHOD = {
    "label": "QC",
    "offline": "pretrain-full",
    "sampler": "best_of_n_euler",
    "actor_loss": "diagonal",
    "critic_target": "mean",
}


def actor_loss() -> ActorLoss:
    """Return the flow-matching loss alone."""

    def loss(inputs: ActorInputs) -> tuple[Tensor, dict[str, Tensor]]:
        return matching(inputs, inputs.noise[0], inputs.times[0]), {}

    return ActorLoss(noises=1, times=1, loss=loss)
