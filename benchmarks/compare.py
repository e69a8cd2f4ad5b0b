"""Run two programs in turn on the same core, and print the ratio of their times case by case.

    python benchmarks/compare.py [--rounds 5] [--both] "python benchmarks/speed.py" "OTHER PROGRAM"

Both print JSON lines with `case` and `ms_cpu`, as `benchmarks/speed.py` does, and run with one
thread. With `--both`, each round runs two copies of a program at once, on two cores. Prints for
each case that both know the median over the rounds of either, their ratio, and the smallest and
largest ratio of a round. Whatever else the machine does falls on both alike.
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
    parser.add_argument("--both", action="store_true", help="two copies at once, on two cores")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: 2 if arguments.both else 1]
    rounds = []
    for number in range(arguments.rounds):
        commands = [arguments.ours, arguments.theirs]
        order = commands if number % 2 == 0 else commands[::-1]
        times = {command: run(command, cores) for command in order}
        rounds.append([times[command] for command in commands])
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
    for case in rounds[0][0]:
        pairs = [(ours[case], theirs[case]) for ours, theirs in rounds if case in theirs]
        if pairs:
            print(json.dumps({"case": case, **summary(pairs)}))


def run(command: str, cores: list[int]) -> Times:
    """Milliseconds of CPU time per case; the mean of the copies."""
    copies = [
        subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *shlex.split(command)],
            env=os.environ | ONE_THREAD,
            stdout=subprocess.PIPE,
            text=True,
        )
        for core in cores
    ]
    found = []
    for copy in copies:
        output, _ = copy.communicate()
        if copy.returncode:
            raise SystemExit(f"{command}: exit code {copy.returncode}")
        lines = [json.loads(line) for line in output.splitlines()]
        found.append({line["case"]: line["ms_cpu"] for line in lines})
    return {case: sum(times[case] for times in found) / len(found) for case in found[0]}


def summary(pairs: list[tuple[float, float]]) -> Times:
    """Medians, and their ratio with its range over the rounds."""
    ours, theirs = (median(values) for values in zip(*pairs, strict=True))
    ratios = [one / other for one, other in pairs]
    figures = {"ours": ours, "theirs": theirs, "ratio": ours / theirs}
    figures |= {"lowest": min(ratios), "highest": max(ratios)}
    return {name: round(value, 4) for name, value in figures.items()}


if __name__ == "__main__":
    main()
