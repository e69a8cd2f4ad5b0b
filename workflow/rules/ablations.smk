# `snakemake ablations`: FMQ with a setting changed, and its policies under other samplers.
rule ablations:
    input:
        MANIFESTS,
        study_workflow.ablation_files(study),
    output:
        expand(
            "results/ablations/{name}.csv{suffix}",
            name=["scores", "summary"],
            suffix=["", "-metadata.json"],
        ),
        expand(
            "results/ablations/{name}.{suffix}",
            name=["offline", "training", "sampling"],
            suffix=["tex", "md"],
        ),
        "results/ablations/ablations.pdf",
        report(
            "results/ablations/ablations.png",
            caption="../report/ablations.rst",
            category="ablations",
            labels={"what": "ablations", "kind": "figure"},
        ),
    log:
        "results/logs/ablations.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq ablations 2> {log}"
