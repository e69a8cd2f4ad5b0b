"""Policies (networks, sampler and statistics), their checkpoints, evaluation and costs."""
