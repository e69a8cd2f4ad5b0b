r"""Time gradient steps and actions; print a JSON line {"case", "ms_wall", "ms_cpu", "n"} per case.

    python benchmarks/speed.py                      # the paper's sizes; the default study's:
    python benchmarks/speed.py --obs 2 --act 2 --batch 64 --samples 4 --hidden 128 --layers 2 \
        --plain

`offline` and `fmq` are whole updates: noise, critic target, losses, gradients, Adam, target
networks. The samplers act as in an evaluation, with weights prepared once: `one_step` is best-of-N
from the one-step map at one observation, `euler` best-of-N from ten Euler steps, `qgbs` the beam
search 4/4/1. `sgemm` is a large float32 matrix product, for comparison. Figures are medians per
call, on one thread. `benchmarks/compare.py` runs two such programs alternately.

On a GPU, every call waits for the device; updates of several seeds are joint updates:

    python benchmarks/speed.py --device cuda --cases offline,fmq --capture --compile --seeds 5
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch

from fmq.acting.device import take
from fmq.acting.policy import Policy
from fmq.config.reading import load_study
from fmq.config.samplers import sampler_numbers
from fmq.config.study import Study
from fmq.config.tasks import TaskSettings
from fmq.data.normalization import Normalizer
from fmq.data.sequences import Batch
from fmq.methods import fmq, mvp
from fmq.methods.samplers import make_sampler
from fmq.pipeline.bindings import Curriculum
from fmq.training.learner import Backup, Learner
from fmq.training.objective import Objective
from fmq.training.updater import Updater

ROOT = Path(__file__).parents[1]
SIZES = {"obs": 46, "act": 5, "chunk": 5, "batch": 256, "samples": 32, "hidden": 512, "layers": 4}
SAMPLERS = {"one_step": "best_of_n", "euler": "best_of_n_euler", "qgbs": "qgbs"}
UPDATES = {"offline": ("flow_map", "mean"), "fmq": ("fmq", "min")}
CURRICULUM_DONE = 100_000  # gradient steps after which the flow map's intervals span all of [0, 1]


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--observations", type=int, default=1, help="batch size when acting")
    parser.add_argument("--plain", action="store_true", help="use SiLU and raw flow times")
    parser.add_argument("--selection", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--compile", action="store_true", help="training.compile")
    parser.add_argument("--capture", action="store_true", help="training.capture")
    parser.add_argument("--tf32", action="store_true", help="training.tf32")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds in a joint update")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:1")
    parser.add_argument("--seconds", type=float, default=5, help="measuring time per case")
    parser.add_argument("--cases", default="sgemm,offline,fmq,one_step,euler,qgbs")
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.fp32_precision = "tf32" if arguments.tf32 else "ieee"
    device = take(arguments.device)
    for case in arguments.cases.split(","):
        call = waited_for(make_case(case, arguments), device)
        print(json.dumps({"case": case, **measure(call, arguments.seconds)}))


def waited_for(call: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """Return the call, extended to wait for the GPU."""
    if device.type == "cpu":
        return call

    def wait() -> None:
        call()
        torch.cuda.synchronize(device)

    return wait


def make_objective(study: Study, actor_loss: str, how: str) -> Objective:
    """Return a run's objective with this actor loss and this aggregate over the critics."""
    if actor_loss == "fmq":
        loss = fmq.actor_loss(**study.fmq.model_dump())
    else:
        loss = mvp.actor_loss(distillation=study.offline.distillation)
    sampling = sampler_numbers("best_of_n", study.sampling)
    return Objective(
        loss,
        make_sampler("best_of_n", how, **sampling),
        how,
        study.training,
        identity=f"{actor_loss} {study.fmq} {study.offline} {sampling}",
        curriculum=Curriculum(**study.offline.model_dump(include={*Curriculum.model_fields})),
    )


def make_case(case: str, sizes: argparse.Namespace) -> Callable[[], object]:
    """Return a function that runs a case once, on random data."""
    device = torch.device(sizes.device)
    if case == "sgemm":
        matrix = torch.randn(2048, 2048, device=device)
        if device.type != "cpu":
            return lambda: matrix @ matrix
        return lambda: torch.ops.mkldnn._linear_pointwise(matrix, matrix, None, "none", [], "")
    study = make_study(sizes)
    normalizer = Normalizer(*(torch.full((sizes.obs,), x, device=device) for x in (0.0, 1.0)))
    backup = Backup(TaskSettings().discount, sizes.chunk)
    learner, *others = [
        Learner(
            study.networks,
            backup,
            normalizer,
            sizes.chunk * sizes.act,
            init_seed=seed,
            noise_seed=seed,
            selection=study.training.selection,
        )
        for seed in range(sizes.seeds)
    ]
    batch = Batch(*(part.to(device) for part in make_batch(sizes)))
    if case in UPDATES:
        updater = Updater(
            [learner, *others],
            make_objective(study, *UPDATES[case]),
            sizes.compile,
            study.training.capture,
        )
        return lambda: updater.update([batch] * sizes.seeds, CURRICULUM_DONE)
    name = SAMPLERS[case]
    sampler = make_sampler(name, "min", **sampler_numbers(name, study.sampling))
    for network in (learner.actor, learner.critic):
        network.prepare()
    chunk = (sizes.chunk, sizes.act)
    policy = Policy(learner.actor, learner.critic, normalizer, sampler, learner.generator, chunk)
    observations = batch.observations[: sizes.observations].cpu().numpy()
    return lambda: policy.act(observations)


def make_study(sizes: argparse.Namespace) -> Study:
    """Return the paper's study with the given sizes."""
    study = load_study(ROOT / "config.yaml", ROOT / "config/paper.yaml")
    plain = {"activation": "silu", "time_features": 0} if sizes.plain else {}
    changes = {
        "networks": {"hidden_width": sizes.hidden, "hidden_layers": sizes.layers, **plain},
        "training": {
            "batch_size": sizes.batch,
            "selection": sizes.selection,
            "capture": sizes.capture,
        },
        "sampling": {"samples": sizes.samples},
    }
    sections = {
        name: getattr(study, name).model_copy(update=values) for name, values in changes.items()
    }
    return study.model_copy(update=sections)


def make_batch(sizes: argparse.Namespace) -> Batch:
    """Return random data in the shape of a batch."""
    generator = torch.Generator().manual_seed(0)
    rows = sizes.batch
    return Batch(
        observations=torch.randn(rows, sizes.obs, generator=generator),
        actions=torch.rand(rows, sizes.chunk * sizes.act, generator=generator) * 2 - 1,
        rewards=-torch.rand(rows, generator=generator),
        masks=torch.ones(rows),
        valid=torch.ones(rows, sizes.chunk),
        whole=torch.ones(rows),
        next_observations=torch.randn(rows, sizes.obs, generator=generator),
    )


def measure(call: Callable[[], object], seconds: float) -> dict[str, float]:
    """Return the median wall and CPU time per call, in milliseconds, and the number of calls."""
    for _ in range(3):
        call()
    wall, cpu, end = [], [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(wall) < 3:
        before = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.process_time() - before[1])
    return {"ms_wall": 1e3 * median(wall), "ms_cpu": 1e3 * median(cpu), "n": len(wall)}


if __name__ == "__main__":
    main()
