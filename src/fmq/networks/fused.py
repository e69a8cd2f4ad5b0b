"""Fast MLP inference on CPUs, without gradients: wide layers run as oneDNN matrix products.

Training spends nearly all its time here, because the 32 proposals per state of a critic target
need no gradient. Weights are reordered for oneDNN once for all tiles of rows; the activation is
fused into each product or follows it. Measurements are in docs/performance.md.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fmq.networks.perceptron import ACTIVATIONS, Layer, Pairs, forward, through

TILE = 1024  # rows; a tile of 512 units takes 2 MB
FUSED_WIDTH, FUSED_ROWS = 256, 64  # minimum units and rows at which oneDNN beats MKL
# oneDNN can fuse the activation into the product. With 512-bit vectors this costs nothing; with
# shorter ones it takes longer than torch's own kernels after the product.
ACTIVATION_IN_PRODUCT = torch.backends.cpu.get_cpu_capability() == "AVX512"
ONEDNN = torch.backends.mkldnn.is_available()
ONEDNN_BFLOAT16 = ONEDNN and torch.ops.mkldnn._is_mkldnn_bf16_supported()


@torch.no_grad()
def infer(x: Tensor, layers: Pairs, norms: Pairs, activation: str) -> Tensor:
    """Compute `forward` without gradients; the results agree up to rounding.

    Args:
        layers: as for `forward`, or the result of `prepare`.
    """
    rows = x.shape[:-1].numel()
    if not layers[0][0].is_mkldnn and not (rows >= FUSED_ROWS and _suits(layers)):
        return forward(x, layers, norms, activation)
    if recording():
        numbers = [tensor for pair in (*layers, *norms) for tensor in pair]
        return _opaque(x, numbers, len(layers), activation)
    return _fused(x, layers, norms, activation)


def prepare(layers: Pairs) -> Pairs:
    """Return layers for repeated use with `infer`, with wide ones reordered for oneDNN.

    Reordered weights are copies: later changes of the weights do not affect them.
    """
    if not _suits(layers):
        return layers
    return [*((_reordered(weight), bias) for weight, bias in layers[:-1]), layers[-1]]


def prepare_transposed(layers: Pairs) -> list[Tensor]:
    """Return the transposed weights (in, out) of `layers`, with wide ones reordered for oneDNN."""
    transposed = [weight.detach().t().contiguous() for weight, _ in layers]
    if not _suits(layers):
        return transposed
    return [*map(_reordered, transposed[:-1]), transposed[-1]]


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return x W^T + b with a weight (out, in), which may be reordered for oneDNN."""
    if weight.is_mkldnn:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return functional.linear(x, weight, bias)


def recording() -> bool:
    """Return whether a compiler or tracer is recording operations into a graph."""
    modes = torch._C._TorchDispatchModeKey
    return torch.compiler.is_compiling() or (torch._C._get_dispatch_mode(modes.PROXY) is not None)


def vectorised(tensor: Tensor) -> bool:
    """Return whether `torch.func` wraps the tensor, as under `vmap`; False while compiling."""
    return not torch.compiler.is_compiling() and (
        torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


def _reordered(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach())


def _suits(layers: Pairs) -> bool:
    """Return whether oneDNN is available and faster for these layers."""
    if min(len(hidden) for hidden, _ in layers[:-1]) < FUSED_WIDTH:
        return False
    weight = layers[0][0]
    if vectorised(weight):
        return False  # oneDNN's products cannot be batched over several networks
    supported = {torch.float32: ONEDNN, torch.bfloat16: ONEDNN_BFLOAT16}
    return weight.device.type == "cpu" and supported.get(weight.dtype, False)


def _fused(x: Tensor, layers: Pairs, norms: Pairs, activation: str) -> Tensor:
    tiles = x.reshape(-1, x.shape[-1]).split(TILE)
    if not layers[0][0].is_mkldnn and len(tiles) > 1:
        layers = prepare(layers)
    form = ACTIVATIONS[activation]
    kind, variant = form.onednn

    def hidden(x: Tensor, layer: Layer) -> Tensor:
        if ACTIVATION_IN_PRODUCT:
            return torch.ops.mkldnn._linear_pointwise(x, *layer, kind, [], variant)
        return form.in_place(product(x, *layer))

    outputs = [through(tile, layers, norms, hidden) for tile in tiles]
    result = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return result.view(*x.shape[:-1], -1)


@torch.library.custom_op("fmq::perceptron", mutates_args=())
def _opaque(x: Tensor, numbers: list[Tensor], depth: int, activation: str) -> Tensor:
    """Run `_fused` as one opaque operation, which a graph compiler does not decompose.

    Args:
        numbers: weight and bias of each of `depth` layers, then gain and shift of each norm.
    """
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    return _fused(x, pairs[:depth], pairs[depth:], activation)


@_opaque.register_fake
def _(x: Tensor, numbers: list[Tensor], depth: int, activation: str) -> Tensor:
    return x.new_empty(*x.shape[:-1], len(numbers[2 * depth - 1]), dtype=torch.float32)
