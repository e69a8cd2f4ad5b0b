"""Where the parameters of networks lie in a flat vector: in their order, on a GPU with gaps.

Fast kernels for TF32 and bfloat16 read 16 bytes at a time, and products of matrices that start in
between are computed by slower ones. On a GPU, every parameter therefore starts at a multiple of
`ALIGNED` numbers. The gaps are zero and stay zero, because their gradient is. A CPU gains nothing,
so there the numbers lie side by side.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

ALIGNED = 64


def alignment(device: torch.device) -> int:
    """Return the number of elements of which every parameter's start is a multiple."""
    return 1 if device.type == "cpu" else ALIGNED


def parts(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Return views of a vector (n,) in the shapes of `like`, in that order."""
    gaps = [-one.numel() % alignment(vector.device) for one in like]
    sizes = [size for pair in zip(map(Tensor.numel, like), gaps, strict=True) for size in pair]
    pieces = iter(vector.split([size for size in sizes if size]))
    found = []
    for one, gap in zip(like, gaps, strict=True):
        found.append(next(pieces).view_as(one))
        if gap:
            next(pieces)
    return found


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """Return a new vector (n,) of which `parts` returns these numbers."""
    pieces = []
    for one in tensors:
        pieces.append(one.flatten())
        if gap := -one.numel() % alignment(one.device):
            pieces.append(one.new_zeros(gap))
    return torch.cat(pieces)


def without_gaps(vector: Tensor, like: Sequence[Tensor]) -> Tensor:
    """Return the numbers of all parts side by side, as files hold them, or the vector itself."""
    if alignment(vector.device) == 1:
        return vector
    return torch.cat([part.flatten() for part in parts(vector, like)])


def fill(vector: Tensor, numbers: Tensor, like: Sequence[Tensor]) -> None:
    """Copy into a vector what `without_gaps` returned for one, on this device or another.

    Raises:
        RuntimeError: there are more or fewer numbers than in `like`.
    """
    side_by_side = numbers.split([one.numel() for one in like])
    for part, piece in zip(parts(vector, like), side_by_side, strict=True):
        part.copy_(piece.view_as(part))
