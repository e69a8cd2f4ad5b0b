# `snakemake theory`: test Theorem 3.2 and its assumptions on the study's own networks.
from fmq.pipeline.parts import THEORY_FILES
from fmq.pipeline.theory import MEASUREMENTS

THEORY = "results/runs/{task}/seed{seed}/theory-{identity}"


rule measure_theory:
    input:
        ancient(study_workflow.needs(GRAPH, THEORY)),
    output:
        [f"{THEORY}/{name}" for name in THEORY_FILES],
    log:
        f"{THEORY}/log.txt",
    conda:
        "../envs/fmq.yaml"
    threads: study.threads
    resources:
        mem_mb=job_resources.memory(study),
    params:
        settings=SETTINGS,
    shell:
        "fmq theory {wildcards.task} --seed {wildcards.seed} --settings {params.settings} 2> {log}"


rule theory_report:
    input:
        ancient(MANIFESTS),
        ancient(analyses.theory_files(study, RESULTS)),
    output:
        expand(
            f"{STUDY}/theory/{{name}}.{{suffix}}",
            name=MEASUREMENTS,
            suffix=["csv", "csv-metadata.json", "md", "tex", "pdf"],
        ),
        [
            report(
                f"{STUDY}/theory/{name}.png",
                caption=f"../report/theory_{name}.rst",
                category="theory",
                labels={"what": name.replace("_", " "), "kind": "figure"},
            )
            for name in MEASUREMENTS
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
