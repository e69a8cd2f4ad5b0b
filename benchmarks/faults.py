"""Kill stages and whole workflows at random moments, and check that results stay the same.

    python benchmarks/faults.py stages --kills 200 --seed 0
    python benchmarks/faults.py snakemake --kills 20 --seed 0
    python benchmarks/faults.py slurm --kills 5 --seed 0     # needs Slurm

`stages` kills single `fmq` commands (SIGKILL, and SIGTERM one time in five) until the requested
number of kills is reached, restarts each with the same command, and compares checkpoint and
evaluations byte by byte with an undisturbed run. The others kill Snakemake with all its children
and repeat the same command; they compare scores.csv, and count finished jobs that were run again.
Prints one JSON line per trial and one at the end; the exit code is 1 if anything differed or needed
manual help.
"""

import argparse
import sys

from faulting.stages import disturb_stages
from faulting.workflows import disturb_workflows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["stages", "snakemake", "slurm"])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="stages that run at a time")
    arguments = parser.parse_args()
    if arguments.what == "stages":
        good = disturb_stages(arguments.kills, arguments.seed, arguments.workers)
    else:
        local = ["--cores", "2"]
        quick = ["--slurm-init-seconds-before-status-checks", "2"]
        cluster = ["--profile", "slurm", "--seconds-between-status-checks", "2", *quick]
        options = local if arguments.what == "snakemake" else cluster
        good = disturb_workflows(arguments.kills, arguments.seed, options)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
