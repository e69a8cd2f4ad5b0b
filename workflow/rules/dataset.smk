rule dataset:
    # Only the manifest is a declared output: Snakemake deletes the declared outputs of a failed
    # job, which would discard a partial download that can be resumed.
    input:
        ancient(
            lambda wildcards: study_workflow.dataset_inputs(study, wildcards.dataset)
        ),
    output:
        "results/datasets/{dataset}-{identity}/manifest.json",
    log:
        "results/datasets/{dataset}-{identity}/log.txt",
    conda:
        "../envs/fmq.yaml"
    threads: lambda wildcards: study_workflow.dataset_threads(study, wildcards.dataset)
    params:
        settings=SETTINGS,
    shell:
        "fmq dataset {wildcards.dataset} --processes {threads} --settings {params.settings} 2> {log}"
