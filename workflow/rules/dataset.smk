rule dataset:
    # Only the manifest is a declared output: Snakemake deletes the declared outputs of a failed
    # job, which would discard a partial download that can be resumed.
    input:
        ancient(study_workflow.needs(GRAPH, "results/datasets/{dataset}-{identity}")),
    output:
        "results/datasets/{dataset}-{identity}/manifest.json",
    log:
        "results/datasets/{dataset}-{identity}/log.txt",
    priority: job_resources.PRIORITIES["dataset"]
    conda:
        "../envs/fmq.yaml"
    threads: lambda wildcards: job_resources.dataset_threads(study, wildcards.dataset)
    params:
        settings=SETTINGS,
    shell:
        "fmq dataset {wildcards.dataset} --processes {threads} --settings {params.settings} 2> {log}"
