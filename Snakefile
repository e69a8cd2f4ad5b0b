# Entry point: `snakemake --cores 8` makes results/tables, results/figures and everything they need.

from snakemake.utils import min_version

from fmq.base.programs import name_user, own_command_first
from fmq.base.system_errors import in_one_line
from fmq.pipeline import analyses, shown
from fmq.pipeline import resources as job_resources
from fmq.pipeline import rules as study_workflow
from fmq.pipeline.rules import RESULTS

min_version("9.27")


# The folder of this file, also where workflow/Snakefile includes it.
TOP = workflow.current_basedir.get_path_or_uri(secret_free=True)


configfile: f"{TOP}/config.yaml"


with in_one_line():
    study = study_workflow.read_config(workflow, TOP)
    name_user()
    # The jobs call `fmq`, which is not on PATH if the environment is not activated.
    own_command_first("fmq")
    # Folder for everything computed from the study's runs together. Its name ends in a hash of what
    # determines its content, so a file that exists is up to date: inputs are marked `ancient`, to
    # make Snakemake ignore modification times.
    STUDY = study_workflow.study_folder(study, RESULTS)
    # Jobs read the settings from there: one that outlives its Snakemake keeps to its own study.
    SETTINGS = f"{STUDY}/settings.json"
    # The parts of the study by their place: what the rules make, and what they need for it.
    GRAPH = study_workflow.graph_of(study, STUDY)


wildcard_constraints:
    dataset="[^/]+",
    task="[^/]+",
    seed=r"\d+",
    budget="|".join(study_workflow.PRETRAININGS),
    kind="|".join(study_workflow.DISTILLATIONS),
    method=study_workflow.method_pattern(study),
    run=study_workflow.run_pattern(study),
    sampler=study_workflow.sampler_pattern(study),
    identity=study_workflow.identities(GRAPH, study_workflow.ADDRESSED),
    sampling=study_workflow.identities(GRAPH, study_workflow.IN_RUNS),


# These rules are short or need network access: on a cluster they run on the machine of `snakemake`.
localrules:
    all,
    dataset,
    policy,
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
    diagnose,
    trajectories,
    rollouts,
    paper,
    page,
    summary_page,
    settings_page,


# The opening page of `snakemake --report results/report.html`.
report: "workflow/report/workflow.rst"


onstart:
    with in_one_line():
        study_workflow.begin(study)


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
include: "workflow/rules/diagnosis.smk"
include: "workflow/rules/rollouts.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        ancient(rules.show.output),
        ancient(
            expand(f"{STUDY}/pages/{{page}}.html", page=analyses.table_pages(study))
        ),
        ancient(rules.summary_page.output),
        ancient(rules.settings_page.output),
