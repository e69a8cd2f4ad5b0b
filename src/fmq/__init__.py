"""Flow map policies with optimal Q-guidance (arXiv 2605.12416) as a reproducible study."""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`fmq.Policy`, imported when it is asked for: what needs no torch must not wait for it."""
    if name == "Policy":
        from fmq.policy import Policy

        return Policy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
