# `snakemake theory`: whether Theorem 3.2 and what it rests on hold for the study's own networks.
rule measure_theory:
    input:
        lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task),
        expand(
            "results/runs/{{task}}/seed{{seed}}/{run}/checkpoint.pt",
            run=["distill-esd", "distill-lsd", "distill-psd", "finetune-fmq"],
        ),
    output:
        expand(
            "results/runs/{{task}}/seed{{seed}}/theory/{name}",
            name=[
                *("optimum.csv", "first_order.csv", "map.csv", "improvement.csv"),
                "settings.json",
            ],
        ),
    log:
        "results/runs/{task}/seed{seed}/theory/log.txt",
    conda:
        "../envs/fmq.yaml"
    threads: study.threads
    resources:
        mem_mb=lambda wildcards, attempt: (
            attempt * study_workflow.memory_mb(study, wildcards.task)
        ),
    params:
        settings=lambda wildcards: study_workflow.theory_hash(
            study, wildcards.task, wildcards.seed
        ),
    shell:
        "fmq theory {wildcards.task} --seed {wildcards.seed} 2> {log}"


rule theory_report:
    input:
        MANIFESTS,
        study_workflow.theory_files(study),
    output:
        expand(
            "results/theory/{name}.{suffix}",
            name=["optimum", "first_order", "map", "improvement"],
            suffix=["csv", "csv-metadata.json", "md", "tex", "pdf"],
        ),
        [
            report(
                f"results/theory/{name}.png",
                caption=f"../report/theory_{name}.rst",
                category="theory",
                labels={"what": name.replace("_", " "), "kind": "figure"},
            )
            for name in ["optimum", "first_order", "map", "improvement"]
        ],
    log:
        "results/logs/theory.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq theory-report 2> {log}"


rule theory:
    input:
        rules.theory_report.output,
