rule import_run:
    # The imported policy was not trained on this data set, but robosuite's simulators are created
    # from its file.
    input:
        ancient(
            lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task)
        ),
        ancient(
            lambda wildcards: study_workflow.imported_file(
                study, wildcards.task, wildcards.seed, wildcards.method
            )
        ),
    output:
        "results/runs/{task}/seed{seed}/finetune-{method}-{identity}/checkpoint.pt",
        "results/runs/{task}/seed{seed}/finetune-{method}-{identity}/evaluations.csv",
        "results/runs/{task}/seed{seed}/finetune-{method}-{identity}/settings.json",
        "results/runs/{task}/seed{seed}/finetune-{method}-{identity}/provenance.json",
    log:
        "results/runs/{task}/seed{seed}/finetune-{method}-{identity}/log.txt",
    wildcard_constraints:
        method=study_workflow.imported_pattern(study),
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq import-run {wildcards.task} --seed {wildcards.seed} --method {wildcards.method}"
        " --settings {params.settings} 2> {log}"
