"""Run two programs alternately on the same core, and print the ratio of their times per case.

    python benchmarks/compare.py [--rounds 5] [--copies 2] "python benchmarks/speed.py" "OTHER ONE"

Both must print JSON lines with `case` and `ms_cpu`, as `benchmarks/speed.py` does; they run with
one thread. With `--copies 2`, two copies of a program run at once, on two cores. For each case in
both outputs, prints the medians over the rounds, their ratio, and the smallest and largest ratio of
a round. Other load on the machine affects both programs alike.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from statistics import median

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
Times = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours")
    parser.add_argument("theirs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--copies", type=int, default=1, help="copies at once, each on its own core"
    )
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: arguments.copies]
    commands = [arguments.ours, arguments.theirs]
    rounds = []
    for number in range(arguments.rounds):
        order = (0, 1) if number % 2 == 0 else (1, 0)  # indices, because the commands may be equal
        times = {place: run(commands[place], cores) for place in order}
        rounds.append([times[0], times[1]])
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    for case in rounds[0][0]:
        pairs = [(ours[case], theirs[case]) for ours, theirs in rounds if case in theirs]
        if pairs:
            print(json.dumps({"case": case, **summary(pairs)}))


def run(command: str, cores: list[int]) -> Times:
    """Run a command and return the milliseconds of CPU time per case, averaged over the copies."""
    copies = [
        subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *shlex.split(command)],
            env=os.environ | ONE_THREAD,
            stdout=subprocess.PIPE,
            text=True,
        )
        for core in cores
    ]
    outputs = [copy.communicate()[0] for copy in copies]
    found = []
    for copy, output in zip(copies, outputs, strict=True):
        if copy.returncode:
            raise SystemExit(f"{command}: exit code {copy.returncode}")
        lines = [json.loads(line) for line in output.splitlines()]
        found.append({line["case"]: line["ms_cpu"] for line in lines})
    return {case: sum(times[case] for times in found) / len(found) for case in found[0]}


def summary(pairs: list[tuple[float, float]]) -> Times:
    """Return the medians, and their ratio with its range over the rounds."""
    ours, theirs = (median(values) for values in zip(*pairs, strict=True))
    ratios = [one / other for one, other in pairs]
    figures = {"ours": ours, "theirs": theirs, "ratio": ours / theirs}
    figures |= {"lowest": min(ratios), "highest": max(ratios)}
    return {name: round(value, 4) for name, value in figures.items()}


if __name__ == "__main__":
    main()
