"""Compute aggregates, intervals and comparisons over runs."""
