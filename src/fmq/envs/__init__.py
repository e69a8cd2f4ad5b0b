"""Simulators behind one interface, and rollouts of a policy in them."""
