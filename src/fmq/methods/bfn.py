"""BFN, best of N (arXiv 2507.07969): QC with chunks of one action and one-step backups."""

from fmq.methods.qc import actor_loss as actor_loss

METHOD = {
    "label": "BFN",
    "offline": "pretrain-single",
    "sampler": "best_of_n_euler",
    "actor_loss": "diagonal",
    "critic_target": "mean",
}
