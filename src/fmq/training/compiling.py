"""The gradient of an update through torch.compile: slower to start, faster from then on."""

import os
import shutil
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from fmq.errors import UserError
from fmq.training.refusing import told_of

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compiled(
    function: Callable[Parameters, Result], device: torch.device
) -> Callable[Parameters, Result]:
    """`function`, compiled at its first call as one graph, its own use of autograd included.

    What was compiled is kept in torch's cache, where the next process with these shapes finds it.

    Raises:
        UserError: there is no C++ compiler, which a CPU needs; or, at its first call, it is none
            that torch can compile.
    """
    compiler = os.environ.get("CXX", "g++")
    if device.type == "cpu" and shutil.which(compiler) is None:
        raise UserError(
            f"training.compile: no C++ compiler {compiler!r} here; install one, name it in the "
            "environment variable CXX, or set training.compile to false"
        )
    torch._dynamo.config.trace_autograd_ops = True
    on_cpu = device.type == "cpu"
    graph = torch.compile(function, fullgraph=True, options={"cpp_wrapper": on_cpu})

    def call(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        dynamo = torch._dynamo.exc.TorchDynamoException
        with told_of("compile", "torch cannot compile this update", dynamo):
            return graph(*arguments, **named)

    return call
