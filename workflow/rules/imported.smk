from fmq.pipeline.parts import IMPORTED_FILES

FINETUNED = "results/runs/{task}/seed{seed}/finetune-{method}-{identity}"
POLICY = "results/policies/{task}/seed{seed}/{source}-{identity}"


# Only the manifest is a declared output, as of a data set, so that a failed job keeps what it has.
rule policy:
    input:
        ancient(study_workflow.needs(GRAPH, POLICY)),
    output:
        f"{POLICY}/manifest.json",
    log:
        f"{POLICY}/log.txt",
    wildcard_constraints:
        source=study_workflow.source_pattern(study),
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq policy {wildcards.task} --seed {wildcards.seed} --source {wildcards.source}"
        " --settings {params.settings} 2> {log}"


rule import_run:
    input:
        ancient(study_workflow.needs(GRAPH, FINETUNED)),
    output:
        [f"{FINETUNED}/{name}" for name in IMPORTED_FILES],
    log:
        f"{FINETUNED}/log.txt",
    wildcard_constraints:
        method=study_workflow.imported_pattern(study),
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq import-run {wildcards.task} --seed {wildcards.seed} --method {wildcards.method}"
        " --settings {params.settings} 2> {log}"
