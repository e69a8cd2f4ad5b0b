"""Simulators behind one interface, and evaluation rollouts of a policy."""
