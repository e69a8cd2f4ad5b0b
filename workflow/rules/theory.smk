# `snakemake theory`: test Theorem 3.2 and its assumptions on the study's own networks.
from fmq.pipeline.theory import RUNS as THEORY_RUNS


rule measure_theory:
    input:
        ancient(
            lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task)
        ),
        ancient(
            lambda wildcards: study_workflow.checkpoints(
                study, wildcards.task, wildcards.seed, THEORY_RUNS
            )
        ),
    output:
        expand(
            "results/runs/{{task}}/seed{{seed}}/theory-{{identity}}/{name}",
            name=[
                *("optimum.csv", "first_order.csv", "map.csv", "improvement.csv"),
                "settings.json",
            ],
        ),
    log:
        "results/runs/{task}/seed{seed}/theory-{identity}/log.txt",
    conda:
        "../envs/fmq.yaml"
    threads: study.threads
    resources:
        mem_mb=lambda wildcards, attempt: (
            attempt * study_workflow.memory_mb(study, wildcards.task)
        ),
    params:
        settings=SETTINGS,
    shell:
        "fmq theory {wildcards.task} --seed {wildcards.seed} --settings {params.settings} 2> {log}"


rule theory_report:
    input:
        ancient(MANIFESTS),
        ancient(study_workflow.theory_files(study)),
    output:
        expand(
            f"{STUDY}/theory/{{name}}.{{suffix}}",
            name=["optimum", "first_order", "map", "improvement"],
            suffix=["csv", "csv-metadata.json", "md", "tex", "pdf"],
        ),
        [
            report(
                f"{STUDY}/theory/{name}.png",
                caption=f"../report/theory_{name}.rst",
                category="theory",
                labels={"what": name.replace("_", " "), "kind": "figure"},
            )
            for name in ["optimum", "first_order", "map", "improvement"]
        ],
    log:
        f"{STUDY}/logs/theory.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq theory-report --settings {params.settings} 2> {log}"


rule theory:
    input:
        ancient(rules.theory_report.output),
