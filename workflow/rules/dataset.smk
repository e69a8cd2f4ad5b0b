rule dataset:
    # Its files are no declared outputs: a failed job would lose a download that can be resumed.
    input:
        lambda wildcards: study_workflow.dataset_inputs(study, wildcards.dataset),
    output:
        "results/datasets/{dataset}/manifest.json",
    log:
        "results/datasets/{dataset}/log.txt",
    conda:
        "../envs/fmq.yaml"
    threads: lambda wildcards: study_workflow.dataset_threads(study, wildcards.dataset)
    params:
        settings=lambda wildcards: study_workflow.dataset_hash(study, wildcards.dataset),
    shell:
        "fmq dataset {wildcards.dataset} --processes {threads} 2> {log}"
