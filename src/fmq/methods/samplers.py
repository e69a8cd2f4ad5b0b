"""Make samplers, which turn noise into chunks; `fmq.config.samplers` says what is known of each."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, NamedTuple, get_type_hints

from torch import Tensor

from fmq.base.errors import UserError
from fmq.base.values import Bounds, Count
from fmq.config.choices import Aggregate, Completion
from fmq.method import samplers
from fmq.method.flow import Velocity, euler, one_step
from fmq.method.guidance import CriticFunction

Proposal = Callable[[Velocity, Tensor, Tensor], Tensor]


class Sampler(NamedTuple):
    """A sampler, which turns noise into an action chunk.

    Attributes:
        noises: number of noise vectors that it needs per observation.
        choose: maps (velocity, critic, observations (batch, O), noise (batch, noises, H*A)) to
            chunks (batch, H*A).
    """

    noises: int
    choose: Callable[[Velocity, CriticFunction, Tensor, Tensor], Tensor]


def make_sampler(name: str, aggregate: str, **numbers: Any) -> Sampler:
    """Return the sampler `name` with its parameters.

    Args:
        name: a key of `MAKERS`.
        aggregate: ``mean`` or ``min`` over the critics, for best-of-N; QGBS always takes the min.
        numbers: the parameters, as returned by `fmq.config.samplers.sampler_numbers`.

    Raises:
        UserError: there is no such sampler.
    """
    if name not in MAKERS:
        raise UserError(f"unknown sampler {name!r}; allowed: {', '.join(MAKERS)}")
    return MAKERS[name](aggregate, **numbers)


def _one_step(aggregate: Aggregate) -> Sampler:
    return _single(one_step)


def _euler(aggregate: Aggregate, flow_steps: Count) -> Sampler:
    return _single(partial(euler, steps=flow_steps))


def _best_of_jumps(aggregate: Aggregate, samples: Count) -> Sampler:
    return _best_of_n(one_step, aggregate, samples)


def _best_of_flows(aggregate: Aggregate, samples: Count, flow_steps: Count) -> Sampler:
    return _best_of_n(partial(euler, steps=flow_steps), aggregate, samples)


def _beam_search(
    aggregate: Aggregate,
    qgbs_candidates: Count,
    qgbs_copies: Count,
    qgbs_rounds: Annotated[int, Bounds(0)],
    qgbs_eta: Annotated[float, Bounds(0)],
    qgbs_rho: Annotated[float, Bounds(0, beyond=True)],
    qgbs_completion: Completion,
    qgbs_step_without_rounds: bool,
) -> Sampler:
    search = partial(
        samplers.qgbs,
        eta=qgbs_eta,
        rho=qgbs_rho,
        completion=qgbs_completion,
        step_without_rounds=qgbs_step_without_rounds,
    )

    def choose(velocity: Velocity, critic: CriticFunction, obs: Tensor, noise: Tensor) -> Tensor:
        first, renoise = noise[:, :qgbs_candidates], noise[:, qgbs_candidates:]
        again = renoise.split(qgbs_candidates * qgbs_copies, 1) if qgbs_rounds else ()
        return search(velocity, critic, obs, first, again)

    return Sampler(qgbs_candidates * (1 + qgbs_rounds * qgbs_copies), choose)


MAKERS: dict[str, Callable[..., Sampler]] = {
    "one_step": _one_step,
    "euler": _euler,
    "best_of_n": _best_of_jumps,
    "best_of_n_euler": _best_of_flows,
    "qgbs": _beam_search,
}
"""Functions that make the samplers of `fmq.config.samplers.SAMPLERS`."""


def sampler_parameters(name: str) -> dict[str, Any]:
    """Return the annotation of each parameter of the sampler `name`, a key of `MAKERS`.

    A policy is loaded without pydantic, and so without `fmq.config.samplers`.
    """
    hints = get_type_hints(MAKERS[name], include_extras=True)
    return {key: hint for key, hint in hints.items() if key not in ("aggregate", "return")}


def _single(propose: Proposal) -> Sampler:
    def choose(velocity: Velocity, critic: CriticFunction, obs: Tensor, noise: Tensor) -> Tensor:
        return propose(velocity, obs, noise[:, 0])

    return Sampler(1, choose)


def _best_of_n(propose: Proposal, aggregate: str, samples: int) -> Sampler:
    def choose(velocity: Velocity, critic: CriticFunction, obs: Tensor, noise: Tensor) -> Tensor:
        repeated = samplers.repeat_observations(obs, noise.shape[1])
        return samplers.best_of_n(critic, obs, propose(velocity, repeated, noise), aggregate)

    return Sampler(samples, choose)
