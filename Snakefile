# The front door: `snakemake --cores 8` makes results/tables, results/figures and what they need.

from snakemake.utils import min_version

from fmq import training_jobs
from fmq import workflow as study_workflow
from fmq.errors import UserError

min_version("9.27")


configfile: f"{workflow.basedir}/config.yaml"


try:
    study = study_workflow.read_config(config)
except UserError as error:
    raise SystemExit(f"fmq: {error}")


wildcard_constraints:
    dataset="[^/]+",
    task="[^/]+",
    seed=r"\d+",
    budget="|".join(study_workflow.PRETRAININGS),
    kind="|".join(study_workflow.DISTILLATIONS),
    method=study_workflow.method_pattern(study),
    run=study_workflow.run_pattern(study),
    sampler=study_workflow.sampler_pattern(study),


# Short, or in need of the network: on a cluster these run where snakemake runs.
localrules:
    all,
    dataset,
    import_run,
    scores,
    statistics,
    tables,
    figures,
    convergence,
    trust_region,
    ablations,
    inference,
    theory,
    theory_report,
    trajectories,
    rollouts,
    paper,
    page,
    settings_page,


# The opening page of `snakemake --report results/report.html`.
report: "workflow/report/workflow.rst"


onstart:
    try:
        study_workflow.begin(study)
    except (UserError, OSError) as error:
        raise SystemExit(f"fmq: {error}")


include: "workflow/rules/dataset.smk"
include: "workflow/rules/offline.smk"
include: "workflow/rules/online.smk"
include: "workflow/rules/imported.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/evidence.smk"
include: "workflow/rules/ablations.smk"
include: "workflow/rules/inference.smk"
include: "workflow/rules/theory.smk"
include: "workflow/rules/rollouts.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.tables.output,
        rules.figures.output,
        expand("results/pages/{page}.html", page=study_workflow.TABLE_PAGES),
        rules.settings_page.output,
