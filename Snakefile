# Entry point: `snakemake --cores 8` makes results/tables, results/figures and everything they need.

from snakemake.utils import min_version

from fmq.base.errors import UserError
from fmq.pipeline import rules as study_workflow
from fmq.pipeline import shown
from fmq.pipeline import training_rules as training_jobs

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
    identity="|".join(study_workflow.identities(study)),
    sampling="[0-9a-f]{8}",


# Folder for everything computed from the study's runs together. Its name ends in a hash of what
# determines its content, so a file that exists is up to date: inputs are marked `ancient`, to make
# Snakemake ignore modification times.
STUDY = study_workflow.study_folder(study, study_workflow.RESULTS)
# Jobs read the settings from there: one that outlives its Snakemake keeps to its own study.
SETTINGS = f"{STUDY}/settings.json"


# These rules are short or need network access: on a cluster they run on the machine of `snakemake`.
localrules:
    all,
    dataset,
    import_run,
    scores,
    statistics,
    tables,
    figures,
    show,
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
        ancient(rules.show.output),
        ancient(expand(f"{STUDY}/pages/{{page}}.html", page=study_workflow.TABLE_PAGES)),
        ancient(rules.settings_page.output),
