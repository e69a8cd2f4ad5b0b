"""The velocity network and the critics, with fast forward and backward passes on CPUs."""
