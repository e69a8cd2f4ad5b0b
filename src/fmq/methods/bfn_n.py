"""BFN-n (arXiv 2507.07969): BFN with n-step returns, backups over the H steps of QC's chunks."""

from fmq.methods.qc import actor_loss as actor_loss

METHOD = {
    "label": "BFN-n",
    "offline": "pretrain-n-step",
    "sampler": "best_of_n_euler",
    "actor_loss": "diagonal",
    "critic_target": "mean",
}
