# `snakemake ablations`: FMQ with one setting changed, and its policies with other samplers.
rule ablations:
    input:
        ancient(MANIFESTS),
        ancient(analyses.ablation_files(study, RESULTS)),
    output:
        expand(
            f"{STUDY}/ablations/{{name}}.csv{{suffix}}",
            name=["scores", "summary"],
            suffix=["", "-metadata.json"],
        ),
        expand(
            f"{STUDY}/ablations/{{name}}.{{suffix}}",
            name=["offline", "training", "sampling"],
            suffix=["tex", "md"],
        ),
        f"{STUDY}/ablations/ablations.pdf",
        report(
            f"{STUDY}/ablations/ablations.png",
            caption="../report/ablations.rst",
            category="ablations",
            labels={"what": "ablations", "kind": "figure"},
        ),
    log:
        f"{STUDY}/logs/ablations.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq ablations --settings {params.settings} 2> {log}"
