# `snakemake inference`: evaluations, latency and success of every sampler.
rule measure_inference:
    input:
        expand(
            "results/runs/{{task}}/seed{{seed}}/finetune-{method}/checkpoint.pt",
            method=study.methods,
        ),
    output:
        "results/runs/{task}/seed{seed}/inference.csv",
    log:
        "results/runs/{task}/seed{seed}/inference.log",
    conda:
        "../envs/fmq.yaml"
    threads: study.threads
    resources:
        gpu=study_workflow.gpus(study),
        mem_mb=lambda wildcards, attempt: (
            attempt * study_workflow.memory_mb(study, wildcards.task)
        ),
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq inference {wildcards.task} --seed {wildcards.seed} 2> {log}"


rule inference:
    input:
        MANIFESTS,
        study_workflow.inference_files(study),
    output:
        expand(
            "results/inference/inference.{suffix}",
            suffix=["csv", "csv-metadata.json", "tex", "md", "pdf"],
        ),
        report(
            "results/inference/inference.png",
            caption="../report/inference.rst",
            category="inference",
            labels={"what": "inference", "kind": "figure"},
        ),
    log:
        "results/logs/inference.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq inference-report 2> {log}"
