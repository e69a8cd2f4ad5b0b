"""Rows of the comparison and the ablations: a run, a sampler and a label each.

The workflow imports this module, so it loads neither torch nor pandas.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fmq.base.errors import UserError
from fmq.config.ablations import SIGN
from fmq.config.study import Study
from fmq.pipeline.runs import DISTILLATIONS


class Variant(NamedTuple):
    """One row: a run's last checkpoint with a sampler; `group` names what is varied."""

    group: str
    label: str
    run: str
    sampler: str


def ablation_rows(study: Study) -> list[Variant]:
    """Return the rows of all ablations, each group with the row that it varies.

    Raises:
        UserError: the study does not compare FMQ.
    """
    if "fmq" not in study.methods:
        raise UserError("ablations: all of them vary FMQ; add fmq to methods")
    own = study.samplers_of("fmq")[0]
    kinds = {study.variant(name).offline.distillation for name in study.ablations.methods}
    first = study.offline.distillation
    offline = [first, *(kind for kind in DISTILLATIONS if kind in kinds - {first})]
    tried = [*study.samplers_of("fmq"), *study.ablations.samplers]
    return [
        *(Variant("offline", kind.upper(), f"distill-{kind}", own) for kind in offline),
        Variant("training", "FMQ", "finetune-fmq", own),
        *(
            Variant("training", _word(name), f"finetune-{name}", study.method(name).sampler)
            for name in study.ablations.methods
        ),
        *(Variant("sampling", sampler_label(study, name), "finetune-fmq", name) for name in tried),
    ]


def row_label(study: Study, method: str, sampler: str) -> str:
    """Return the label of a (method, sampler) row: "FMQ", or "FMQ+QGBS" for a second sampler."""
    row = study.method(method)
    if sampler == row.sampler:
        return row.label
    return f"{row.label}+{study.sampler_labels[sampler]}"


def flow_map_methods(study: Study) -> list[str]:
    """Return the study's trained methods whose policy is a flow map, in order."""
    return [method for method in study.methods if study.method(method).offline == "distill"]


def sampler_label(study: Study, name: str) -> str:
    """Return a sampler's label.

    It is ``QGBS 2-4-4`` for ``qgbs@2-4-4``, and ``best of 8`` for ``best_of_n@8``.
    """
    base, _, word = name.partition(SIGN)
    label = study.sampler_labels[base]
    if base == "best_of_n" and word.isdigit():
        return label.replace("N", word)
    return f"{label} {word}".strip()


def _word(name: str) -> str:
    """Return a variant's label, such as ``eta 0.5`` for ``fmq@eta-0.5``."""
    method, _, word = name.partition(SIGN)
    told = word.upper() if word in DISTILLATIONS else word.replace("-", " ")
    return told if method == "fmq" else f"{method} {told}"


def runs_of_method(study: Study, method: str) -> dict[str, str]:
    """Return the names of a method's runs that are compared, by stage; imported ones have one."""
    runs = {"offline": study.offline_run(method), "online": f"finetune-{method}"}
    return {stage: name for stage, name in runs.items() if name is not None}


def score_rows(study: Study) -> list[tuple[str, str]]:
    """Return every run in the scores with each sampler that its last checkpoint is evaluated with.

    Methods that start from one offline run repeat its rows.
    """
    return [
        (name, sampler)
        for method in study.methods
        for name in runs_of_method(study, method).values()
        for sampler in study.samplers_of(method)
    ]


def inference_rows(study: Study) -> list[tuple[str, str]]:
    """Return every online run with each sampler that its last checkpoint is evaluated with."""
    rows = [
        (f"finetune-{method}", name)
        for method in study.methods
        for name in study.samplers_of(method)
    ]
    if "fmq" in study.methods:
        rows += [("finetune-fmq", name) for name in study.ablations.samplers]
    return rows


def ablated(study: Study) -> list[tuple[str, str]]:
    """Return (run, sampler) of every ablation; none without FMQ, which `fmq ablations` reports."""
    rows = ablation_rows(study) if "fmq" in study.methods else []
    return [(row.run, row.sampler) for row in rows]


def by_run(rows: Iterable[tuple[str, str]]) -> dict[str, Sequence[str]]:
    """Return the samplers of each run in (run, sampler) rows."""
    distinct = list(dict.fromkeys(rows))
    return {name: [how for one, how in distinct if one == name] for name, _ in distinct}
