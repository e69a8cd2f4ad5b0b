# `snakemake inference`: measure network evaluations, latency and success of every sampler.
rule measure_inference:
    input:
        ancient(
            lambda wildcards: study_workflow.checkpoints(
                study, wildcards.task, wildcards.seed, study_workflow.finetuned(study)
            )
        ),
    output:
        "results/runs/{task}/seed{seed}/costs-{identity}.csv",
    log:
        "results/runs/{task}/seed{seed}/costs-{identity}.log",
    conda:
        "../envs/fmq.yaml"
    threads: study.threads
    resources:
        gpu=study_workflow.gpus(study),
        mem_mb=lambda wildcards, attempt: (
            attempt * study_workflow.memory_mb(study, wildcards.task)
        ),
    params:
        settings=SETTINGS,
    shell:
        "fmq inference {wildcards.task} --settings {params.settings} 2> {log}"


rule inference:
    input:
        ancient(MANIFESTS),
        ancient(study_workflow.inference_files(study)),
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
