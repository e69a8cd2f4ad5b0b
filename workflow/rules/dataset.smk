rule dataset:
    output:
        "results/datasets/{dataset}/{dataset}.npz",
        "results/datasets/{dataset}/{dataset}-val.npz",
        "results/datasets/{dataset}/manifest.json",
    log:
        "results/datasets/{dataset}/log.txt",
    params:
        settings=lambda wildcards: study_workflow.dataset_hash(study, wildcards.dataset),
    threads: 8
    shell:
        "fmq dataset {wildcards.dataset} --processes {threads} 2> {log}"
