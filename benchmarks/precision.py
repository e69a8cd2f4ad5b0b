r"""Measure what TF32, bfloat16 selection and stacking change in numbers, against float64, on a CPU.

    python benchmarks/precision.py reference    # on the values of tests/method/test_reference.py
    python benchmarks/precision.py update       # on whole updates of the paper's sizes

Prints a JSON line per quantity or update with relative differences: the norm of the difference by
the norm of the value in float64. TF32 is imitated: the factors of every matrix product are rounded
to 10 bits of mantissa, and products and sums are those of float32, as on a GPU.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from speed import SIZES, UPDATES, make_batch, make_objective, make_study
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from fmq.config.tasks import TaskSettings
from fmq.data.normalization import Normalizer
from fmq.networks import fused
from fmq.training.joint import joint_gradients
from fmq.training.learner import Backup, Learner
from fmq.training.objective import Draws, Objective
from fmq.training.update import gradient
from fmq.training.vectors import row, stacked

sys.path.append(str(Path(__file__).parents[1] / "tests"))
aten = torch.ops.aten
PRODUCTS = {aten.mm: 0, aten.bmm: 0, aten.addmm: 1, aten.baddbmm: 1}
"""Matrix products, and the place of the first of their two factors."""


class RoundedProducts(TorchDispatchMode):
    """Rounds the factors of matrix products to TF32."""

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: Any = (), named: Any = None
    ) -> Any:
        first = PRODUCTS.get(operation.overloadpacket)
        if first is not None:
            factors = slice(first, first + 2)
            arguments = [*arguments]
            arguments[factors] = map(tf32, arguments[factors])
        return operation(*arguments, **(named or {}))


def tf32(numbers: Tensor) -> Tensor:
    """Round float32 numbers to 10 bits of mantissa, to the nearest, ties to even."""
    if numbers.dtype != torch.float32:
        return numbers
    bits = numbers.contiguous().view(torch.int32)
    return ((bits + 0xFFF + (bits >> 13 & 1)) & ~0x1FFF).view(torch.float32)


WAYS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "float32": nullcontext,
    "tf32": RoundedProducts,
}


def reference() -> Iterator[dict[str, Any]]:
    """Yield the largest difference of every quantity that the reference file has."""
    from method import test_reference as tests

    path = Path(tests.__file__).parents[1] / "data" / "reference.npz"
    cases = {
        "kind": ["esd", "lsd", "psd"],
        "name, beta": [("fmq_fixed", 0.0), ("fmq_adaptive", 0.3)],
        "how": ["mean", "min"],
    }
    found: dict[str, dict[str, float]] = {}

    class Measured(tests.Reference):  # type: ignore[misc]
        way = ""

        def close(self, value: Tensor, key: str) -> None:
            expected = torch.as_tensor(self.arrays[key]).double()
            found.setdefault(key, {})[self.way] = difference(value.detach(), expected)

    for way, rounding in WAYS.items():
        numbers = Measured(path, torch.float32)
        numbers.way = way
        for name, check in vars(tests).items():
            if name.startswith("test_") and "sequences" not in name:
                wanted = ", ".join([*signature(check).parameters][1:])
                for case in cases.get(wanted, [()]):
                    with rounding():
                        check(numbers, *(case if isinstance(case, tuple) else [case]))
    for key, by_way in found.items():
        if not key.endswith("best_index"):
            yield {"quantity": key.removeprefix("expect/"), **by_way}


def update(batch: int) -> Iterator[dict[str, Any]]:
    """Yield the differences of one update of every loss, in every way of computing it."""
    fused.FUSED_WIDTH = sys.maxsize  # plain products, which can be rounded
    sizes = argparse.Namespace(
        **SIZES | {"batch": batch}, plain=False, selection="float32", capture=False
    )
    study = make_study(sizes)

    def learner(selection: str = "float32") -> Learner:
        normalizer = Normalizer(*(torch.full((sizes.obs,), x) for x in (0.0, 1.0)))
        return Learner(
            study.networks,
            Backup(TaskSettings().discount, sizes.chunk),
            normalizer,
            sizes.chunk * sizes.act,
            init_seed=0,
            noise_seed=0,
            selection=selection,
        )

    for case, (loss, how) in UPDATES.items():
        objective = make_objective(study, loss, how)
        inputs = (make_batch(sizes), learner().draw(batch, objective), torch.ones(()))
        exact = learner()
        exact.live_in(tree_map(Tensor.double, exact.vectors))
        exact.normalizer = Normalizer(*map(Tensor.double, exact.normalizer))
        expected = gradient(exact, objective, *tree_map(Tensor.double, inputs))
        picks = picked(exact, objective, *tree_map(Tensor.double, inputs)[:2])
        for way, rounding in WAYS.items():
            for selection in ("float32", "bfloat16"):
                one = learner(selection)
                with rounding():
                    found = gradient(one, objective, *inputs)
                    mine = picked(one, objective, *inputs[:2])
                told = {"update": case, "way": way, "selection": selection}
                others = (mine - picks).norm(dim=-1) > 0.1
                yield (
                    told
                    | {"other_picks": float(others.double().mean())}
                    | compared(one, found, expected)
                )
        yield {"update": case, "way": "float32, two stacked"} | compared(
            exact, together(learner, objective, inputs), expected
        )


def together(make: Callable[[], Learner], objective: Objective, inputs: Any) -> Any:
    """Return the first of two seeds' results in a joint update."""
    several = [make(), make()]
    vectors = stacked([one.vectors for one in several])
    for number, one in enumerate(several):
        one.live_in(row(vectors, number))
    batch, draws, progress = inputs
    rows = tree_map(lambda part: torch.stack([part, part]), (batch, draws))
    with torch.no_grad():
        found = joint_gradients(several[0], objective, 2)(*vectors[:3], *rows, progress)
    return tree_map(lambda part: part[0], found)


def picked(learner: Learner, objective: Objective, batch: Any, draws: Draws) -> Tensor:
    """Return the chunks that the critic target picks."""
    with torch.no_grad():
        observations = learner.normalizer(batch.next_observations)
        pickers = learner.networks().pickers
        return objective.sampler.choose(*pickers, observations, draws.candidates).double()


def compared(learner: Learner, found: Any, expected: Any) -> dict[str, float]:
    """Return the differences of the gradients of policy and critics, and of the losses."""
    policy = len(learner.vectors.offline)
    (vector, _, losses), (exact, _, exact_losses) = found, expected
    return {
        "policy_gradient": difference(vector[:policy], exact[:policy]),
        "critic_gradient": difference(vector[policy:], exact[policy:]),
        **{name: difference(losses[name], exact_losses[name]) for name in losses},
    }


def difference(value: Tensor, expected: Tensor) -> float:
    """Return the norm of the difference, relative to the expected value's."""
    apart = (value.double() - expected).norm() / expected.norm().clamp_min(1e-300)
    return float(f"{float(apart):.2g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["reference", "update"])
    parser.add_argument("--batch", type=int, default=256)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = reference() if arguments.what == "reference" else update(arguments.batch)
    for found in rows:
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
