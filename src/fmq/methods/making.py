"""Make the loss and the samplers of a run from what it is bound to, built-in or the user's own."""

import inspect
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from fmq.base.errors import UserError
from fmq.config.method_files import Code
from fmq.config.methods import method_module
from fmq.method.flow import Velocity
from fmq.method.guidance import CriticFunction
from fmq.methods.execution import execute, told_in_one_line
from fmq.methods.losses import ActorLoss
from fmq.methods.samplers import Sampler, make_sampler
from fmq.networks.fused import recording, vectorised
from fmq.pipeline.runs import Run


def actor_loss_of(run: Run) -> ActorLoss:
    """Return the actor loss of a run, from the file of its method.

    Raises:
        UserError: the user's file fails, or its `actor_loss` is not one.
    """
    bound = run.bound.actor_loss
    assert bound is not None, "an imported run is not trained"
    module = _module(run.loss_of, run.code)
    found: ActorLoss = _defined(run.loss_of, module, "actor_loss", ActorLoss, bound.numbers)
    _check_counts(module, "actor_loss", found, "noises", "times")
    return found


def sampler_of(run: Run, name: str) -> Sampler:
    """Return the sampler `name` of a run's policy: built in, a variant, or from a method's file.

    Raises:
        UserError: the method's file fails, or its `sampler` is not a `Sampler`.
    """
    bound = run.sampler_named(name)
    if bound.code:
        return _own_sampler(name, run.study.own_methods[name].code)
    return make_sampler(bound.name, run.critic_target, **bound.numbers)


def _own_sampler(name: str, code: Code) -> Sampler:
    module = _module(name, code)
    found: Sampler = _defined(name, module, "sampler", Sampler, {})
    _check_counts(module, "sampler", found, "noises")

    def choose(velocity: Velocity, critic: CriticFunction, obs: Tensor, noise: Tensor) -> Tensor:
        # Under torch.compile or vmap, their own errors must reach them unchanged.
        told_there = recording() or vectorised(noise)
        with nullcontext() if told_there else told_in_one_line(code.path):
            chunks = found.choose(velocity, critic, obs, noise)
        if chunks.shape != (len(noise), noise.shape[-1]):
            raise UserError(
                f"{code.path}: the sampler returns {tuple(chunks.shape)} for noise of "
                f"{tuple(noise.shape)}; it has to be a chunk each, (batch, H*A)"
            )
        return chunks

    return found._replace(choose=choose)


def _module(method: str, code: Code | None) -> ModuleType:
    """Return the module of a method: the user's file, executed, or one of this package."""
    return execute(method, code) if code else import_module(f"fmq.methods.{method_module(method)}")


def _defined(
    method: str, module: ModuleType, thing: str, kind: type[Any], numbers: Mapping[str, Any]
) -> Any:
    """Return the object `thing` of a method's file; if it is a function, call it with `numbers`.

    Args:
        method: the method's name.
        module: the module of its file.
        thing: name of the object in the file.
        kind: required type.
        numbers: keyword arguments of the function.

    Raises:
        UserError: the object is not of type `kind`, or does not accept these numbers.
    """
    found, wanted = getattr(module, thing, None), f"{kind.__module__}.{kind.__name__}"
    names = ", ".join(numbers)
    if isinstance(found, kind) and numbers:
        raise UserError(
            f"{module.__file__}: {thing} takes no settings, and own_methods.{method}.settings has "
            f"{names}; make {thing} a function of them"
        )
    if callable(found) and not isinstance(found, kind):
        try:
            inspect.signature(found).bind(**numbers)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{module.__file__}: {thing} must be a {wanted}, or a function that makes one from "
                f"own_methods.{method}.settings ({names or 'none'}): {error}"
            ) from None
        with told_in_one_line(Path(str(module.__file__))):
            found = found(**numbers)
    if not isinstance(found, kind):
        raise UserError(
            f"{module.__file__}: {thing} is of type {type(found).__name__}; it must be {wanted}"
        )
    return found


def _check_counts(module: ModuleType, thing: str, found: ActorLoss | Sampler, *names: str) -> None:
    for name in names:
        count = getattr(found, name)
        if type(count) is not int or count < 0:
            raise UserError(
                f"{module.__file__}: {thing}.{name} has to be an integer, 0 or more, got {count!r}"
            )
