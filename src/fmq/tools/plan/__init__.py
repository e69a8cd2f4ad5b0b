"""Estimate what a study costs before it runs, from its jobs, their work and a short measurement."""
