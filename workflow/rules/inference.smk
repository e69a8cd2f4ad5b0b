# `snakemake inference`: measure network evaluations, latency and success of every sampler.
COSTS = "results/runs/{task}/seed{seed}/costs-{identity}"


rule measure_inference:
    input:
        ancient(study_workflow.needs(GRAPH, f"{COSTS}.csv")),
    output:
        f"{COSTS}.csv",
    log:
        f"{COSTS}.log",
    conda:
        "../envs/fmq.yaml"
    threads: study.threads
    resources:
        gpu=job_resources.gpus(study),
        mem_mb=job_resources.memory(study),
    params:
        settings=SETTINGS,
    shell:
        "fmq inference {wildcards.task} --settings {params.settings} 2> {log}"


rule inference:
    input:
        ancient(MANIFESTS),
        ancient(analyses.inference_files(study, RESULTS)),
    output:
        expand(
            f"{STUDY}/inference/inference.{{suffix}}",
            suffix=["csv", "csv-metadata.json", "tex", "md", "pdf"],
        ),
        report(
            f"{STUDY}/inference/inference.png",
            caption="../report/inference.rst",
            category="inference",
            labels={"what": "inference", "kind": "figure"},
        ),
    log:
        f"{STUDY}/logs/inference.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq inference-report --settings {params.settings} 2> {log}"
