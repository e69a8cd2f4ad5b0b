from fmq.pipeline.parts import IMPORTED_FILES

FINETUNED = "results/runs/{task}/seed{seed}/finetune-{method}-{identity}"


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
