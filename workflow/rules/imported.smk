rule import_run:
    # The data set is none of what it learned from; robosuite's simulators are made of its file.
    input:
        lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task),
        lambda wildcards: study_workflow.imported_file(study, **wildcards),
    output:
        "results/runs/{task}/seed{seed}/finetune-{method}/checkpoint.pt",
        "results/runs/{task}/seed{seed}/finetune-{method}/evaluations.csv",
        "results/runs/{task}/seed{seed}/finetune-{method}/settings.json",
        "results/runs/{task}/seed{seed}/finetune-{method}/provenance.json",
    log:
        "results/runs/{task}/seed{seed}/finetune-{method}/log.txt",
    wildcard_constraints:
        method=study_workflow.imported_pattern(study),
    conda:
        "../envs/fmq.yaml"
    params:
        settings=lambda wildcards: study_workflow.run_hash(
            study, wildcards.task, wildcards.seed, f"finetune-{wildcards.method}"
        ),
    shell:
        "fmq import-run {wildcards.task} --seed {wildcards.seed} --method {wildcards.method}"
        " 2> {log}"
