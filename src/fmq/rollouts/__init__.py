"""Evaluation episodes to look at: recorded states, films, and paths through the mazes."""
