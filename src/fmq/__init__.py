"""Flow map policies with optimal Q-guidance (arXiv 2605.12416) as a reproducible study."""

from typing import Any

__version__ = "0.1.0"


def load_policy(
    folder: Any, sampler: Any = None, seed: int = 0, *, revision: str | None = None
) -> Any:
    """Load an exported policy, from a folder or the Hub; see `fmq.export.loading.load_exported`.

    torch is imported inside the function, so that `import fmq` stays fast without it. Beside torch
    only numpy and safetensors are needed, for the Hub also huggingface_hub.
    """
    from fmq.export.hub import policy_folder
    from fmq.export.loading import load_exported

    return load_exported(policy_folder(folder, revision), sampler, seed)
