"""Implement `fmq doctor`, which finds what this machine lacks for a study and how to fix it."""
