"""Flow map policies with optimal Q-guidance (arXiv 2605.12416) as a reproducible study.

The public surface is `fmq.load_policy` and what `fmq.method` exports.
"""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "load_policy"]


def load_policy(
    folder: Any, sampler: Any = None, seed: int = 0, *, revision: str | None = None
) -> Any:
    """Load an exported policy, whose `act` maps observations (batch, O) to chunks (batch, H, A).

    torch is imported inside the function, so that `import fmq` stays fast without it. Beside torch
    only numpy and safetensors are needed, for the Hub also huggingface_hub.

    Args:
        folder: what `fmq export` or `fmq import-jax` wrote, or its ``USER/NAME`` on the Hub.
        sampler: the name of a sampler, or a `fmq.methods.samplers.Sampler`; None takes the
            policy's own.
        seed: the seed of the noise.
        revision: a branch, tag or commit on the Hub.

    Returns:
        A `fmq.acting.policy.Policy` on the CPU.

    Raises:
        fmq.base.errors.UserError: the folder is damaged or not a policy, the sampler does not fit
            it, or the Hub does not give it.
    """
    from fmq.export.hub import local_policy
    from fmq.export.loading import load_exported

    return load_exported(local_policy(folder, revision), sampler, seed)
