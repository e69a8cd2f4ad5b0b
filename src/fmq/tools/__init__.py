"""Provide tools around a study: plan, status, doctor and garbage collection."""
