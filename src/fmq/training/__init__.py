"""Offline and online training of a flow map policy and its critics."""
