"""The gradient of an update through torch.compile: slower to start, faster from then on."""

import os
import shutil
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

from fmq.errors import UserError
from fmq.messages import one_line

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
        try:
            return graph(*arguments, **named)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = one_line(str(error).strip().split("\n")[0], 300)
            raise UserError(
                f"training.compile: torch cannot compile this update ({reason}); set "
                "training.compile to false"
            ) from error

    return call
