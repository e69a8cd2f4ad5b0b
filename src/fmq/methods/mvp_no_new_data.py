"""MVP, no new data: a control that makes MVP's updates on the offline data alone."""

from fmq.methods.mvp import actor_loss as actor_loss

METHOD = {
    "label": "MVP, no new data",
    "offline": "distill",
    "sampler": "best_of_n",
    "actor_loss": "flow_map",
    "interacts": False,
    "critic_target": "mean",
    "settings": {"distillation": "offline.distillation"},
}
