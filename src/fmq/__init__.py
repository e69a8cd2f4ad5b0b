"""Flow map policies with optimal Q-guidance (arXiv 2605.12416) as a reproducible study."""

__version__ = "0.1.0"
