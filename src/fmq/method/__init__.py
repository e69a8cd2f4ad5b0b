"""The method as pure functions on tensors: flow maps, critic, guidance and samplers."""
