"""Rows: of the comparison and the ablations, which run under which sampler, and how it is called.

Read by the workflow, so that nothing here imports torch or pandas.
"""

from typing import NamedTuple

from fmq.ablations import SIGN
from fmq.errors import UserError
from fmq.runs import DISTILLATIONS
from fmq.settings import Study


class Variant(NamedTuple):
    """One row: a run's last checkpoint under a sampler; `group` says what is varied."""

    group: str
    label: str
    run: str
    sampler: str


def ablation_rows(study: Study) -> list[Variant]:
    """Every variant that the study names, beside what it varies."""
    if "fmq" not in study.methods:
        raise UserError("ablations: they vary FMQ; add fmq to methods")
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
    """Name of a (method, sampler) row: "FMQ", or "FMQ+QGBS" for a second sampler."""
    row = study.method(method)
    if sampler == row.sampler:
        return row.label
    return f"{row.label}+{study.sampler_labels[sampler]}"


def flow_map_methods(study: Study) -> list[str]:
    """The study's methods whose policy is a flow map, in their order."""
    return [method for method in study.methods if study.method(method).offline == "distill"]


def sampler_label(study: Study, name: str) -> str:
    """``QGBS 2-4-4`` for ``qgbs@2-4-4``, ``best of 8`` for ``best_of_n@8``."""
    base, _, word = name.partition(SIGN)
    label = study.sampler_labels[base]
    if base == "best_of_n" and word.isdigit():
        return label.replace("N", word)
    return f"{label} {word}".strip()


def _word(name: str) -> str:
    """``eta 0.5`` for ``fmq@eta-0.5``."""
    method, _, word = name.partition(SIGN)
    told = word.upper() if word in DISTILLATIONS else word.replace("-", " ")
    return told if method == "fmq" else f"{method} {told}"


def inference_rows(study: Study) -> list[tuple[str, str]]:
    """Every online run with the samplers that its last checkpoint is evaluated under."""
    rows = [
        (f"finetune-{method}", name)
        for method in study.methods
        for name in study.samplers_of(method)
    ]
    if "fmq" in study.methods:
        rows += [("finetune-fmq", name) for name in study.ablations.samplers]
    return rows
