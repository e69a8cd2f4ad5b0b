"""Test that prepared, tiled and rounded MLPs agree with the plain one."""

import pytest
import torch
from helpers.perceptrons import FLOAT32, layers, plain, random

from fmq.networks import fused


def test_leading_dimensions_are_kept_over_the_edges_of_tiles() -> None:
    arguments = (*layers(fused.FUSED_WIDTH, True), "gelu")
    x = random(3, fused.TILE // 2, 7)
    rows = fused.infer(x.flatten(0, 1), *arguments)
    assert torch.equal(fused.infer(x, *arguments), rows.view(3, -1, 3))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("rows", [1, fused.FUSED_ROWS, fused.TILE + 5])
def test_prepared_layers_are_the_same_layers(norm: bool, rows: int) -> None:
    linear, norms = layers(fused.FUSED_WIDTH, norm)
    expected = plain(random(rows, 7), linear, norms, "gelu").float()
    prepared = fused.prepare(linear)
    assert prepared[0][0].is_mkldnn
    found = fused.infer(random(rows, 7), prepared, norms, "gelu")
    torch.testing.assert_close(found, expected, **FLOAT32)


def test_bfloat16_rounds_hidden_layers_and_gives_float32() -> None:
    """A critic's values lie closer together than bfloat16 can resolve."""
    linear, norms = layers(fused.FUSED_WIDTH, True)
    x = random(fused.TILE + 5, 7)
    expected = plain(x, linear, norms, "gelu").float()
    rounded = [[(a.bfloat16(), b.bfloat16()) for a, b in part] for part in (linear, norms)]
    found = fused.infer(x.bfloat16(), *rounded, "gelu")
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0.2)
    assert (found - found.bfloat16()).abs().max() > 0


def test_weights_that_change_are_seen_unless_prepared() -> None:
    linear, _ = layers(fused.FUSED_WIDTH, False)
    x = random(fused.TILE + 5, 7)
    before, prepared = fused.infer(x, linear, [], "gelu"), fused.prepare(linear)
    linear[1][0].mul_(2)
    assert torch.equal(fused.infer(x, prepared, [], "gelu"), before)
    assert not torch.allclose(fused.infer(x, linear, [], "gelu"), before)
