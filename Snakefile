# The front door: `snakemake --cores 8` makes results/tables, results/figures and what they need.

from snakemake.utils import min_version

from fmq import workflow as study_workflow
from fmq.errors import UserError

min_version("9.3")


configfile: f"{workflow.basedir}/config.yaml"


try:
    study = study_workflow.read_config(config)
except UserError as error:
    raise SystemExit(f"fmq: {error}")


wildcard_constraints:
    dataset="[^/]+",
    task="[^/]+",
    seed=r"\d+",
    budget="full|warmup",
    kind="esd|lsd|psd",
    method="[a-z-]+",
    run="(pretrain|distill|finetune)-[a-z-]+",
    sampler="[a-z_]+",


# Short, or in need of the network: on a cluster these run where snakemake runs.
localrules:
    all,
    dataset,
    scores,
    statistics,
    tables,
    figures,


onstart:
    try:
        study_workflow.begin(study)
    except (UserError, OSError) as error:
        raise SystemExit(f"fmq: {error}")


include: "workflow/rules/dataset.smk"
include: "workflow/rules/offline.smk"
include: "workflow/rules/online.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/analysis.smk"


rule all:
    default_target: True
    input:
        rules.tables.output,
        rules.figures.output,
