"""fmq's methods as data: offline checkpoint, online loss and sampler of each.

A method's row is in its file in `fmq/methods/`, beside its loss. It is read without executing the
file, so that the workflow needs no torch. A study may add methods (`own_methods`, `imported`);
`Study.method` finds all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fmq.config.choices import Aggregate
from fmq.config.method_files import read_code
from fmq.config.samplers import SAMPLERS, Jumps


@dataclass(frozen=True)
class Method:
    """One row of the comparison; the fields are the keys of METHOD in a method's file.

    Attributes:
        label: label in tables and figures.
        offline: offline run that it starts from, ``distill`` (a flow map) or ``pretrain-NAME``;
            None for an imported method, which is not trained here and is a flow map.
        sampler: sampler that acts, and selects the next chunk in the critic target.
        actor_loss: name of its loss in the records of runs, which methods with the same loss
            share; empty for an imported method.
        interacts: whether it collects transitions online; if not, it only continues training.
        critic_target: ``mean`` or ``min`` over the critics; None takes `online.critic_target`.
        settings: settings of the study that its loss takes, ``SECTION.KEY`` by keyword argument.
    """

    label: str
    offline: str | None
    sampler: str
    actor_loss: str
    interacts: bool = True
    critic_target: Aggregate | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def trained(self) -> bool:
        """Whether the method is trained here, not imported."""
        return self.offline is not None


@dataclass(frozen=True)
class OfflineRun:
    """What is known of an offline run.

    Attributes:
        method: the method whose loss it has.
        sampler: sampler that selects the next chunk in the critic target, and acts in evaluations.
        jumps: the jumps that its policy learns.
        single: whether chunks have a single action and the critic backup spans one step; with
            ``n-step``, chunks have a single action but the backup spans the task's H steps.
    """

    method: str
    sampler: str
    jumps: Jumps = Jumps.NONE
    single: bool | Literal["n-step"] = False


PRETRAININGS = {
    "full": OfflineRun("qc", "best_of_n_euler"),
    "warmup": OfflineRun("qc", "best_of_n_euler"),
    "fql": OfflineRun("qc-fql", "one_step", Jumps.FROM_NOISE),
    "single": OfflineRun("bfn", "best_of_n_euler", single=True),
    "n-step": OfflineRun("bfn-n", "best_of_n_euler", single="n-step"),
}
"""Runs that train from scratch, ``pretrain-NAME``."""

WARMUP = "pretrain-warmup"
"""The run that distillation starts from; nothing is evaluated at its end."""

DISTILLATION = OfflineRun("mvp", "best_of_n", Jumps.ALL)
"""The run ``distill-KIND``, which goes on from the warm-up."""

ORDER = ("fmq", "mvp", "qc", "mvp-no-new-data", "qc-fql", "bfn", "bfn-n")
"""The methods with a file in `fmq/methods/`, in the order of tables and figures."""


def method_module(name: str) -> str:
    """Return the name of a method's module in `fmq.methods`."""
    return name.replace("-", "_")


def _read(name: str) -> Method:
    file = Path(__file__).parents[1] / "methods" / f"{method_module(name)}.py"
    return Method(**{"actor_loss": name} | read_code(file).row)


METHODS = {name: _read(name) for name in ORDER}


def offline_run(start: str) -> OfflineRun:
    """Return the offline run named ``pretrain-NAME``, or by a name that begins with ``distill``."""
    if start.startswith("distill"):
        return DISTILLATION
    return PRETRAININGS[start.removeprefix("pretrain-")]


def is_flow_map(start: str | None) -> bool:
    """Return whether a policy whose `Method.offline` is `start` is a flow map."""
    return start is None or offline_run(start).jumps is Jumps.ALL


def fitting_samplers(start: str | None) -> list[str]:
    """Return fmq's samplers that suit a policy whose `Method.offline` is `start`.

    Jumps that a policy has not learned are meaningless.
    """
    learned = Jumps.ALL if start is None else offline_run(start).jumps
    return [name for name, row in SAMPLERS.items() if row.jumps <= learned]
