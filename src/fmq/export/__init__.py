"""Policies taken out of a study, and policies of the paper's authors taken in."""
