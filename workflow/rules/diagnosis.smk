# `snakemake diagnose`: compare the critics, and what they recommend, with the simulator.
from fmq.pipeline.diagnosis import MEASUREMENTS as DIAGNOSED
from fmq.pipeline.parts import DIAGNOSIS_FILES

DIAGNOSIS = "results/runs/{task}/seed{seed}/diagnosis-{identity}"


rule measure_diagnosis:
    input:
        ancient(study_workflow.needs(GRAPH, DIAGNOSIS)),
    output:
        [f"{DIAGNOSIS}/{name}" for name in DIAGNOSIS_FILES],
    log:
        f"{DIAGNOSIS}/log.txt",
    conda:
        "../envs/fmq.yaml"
    threads: job_resources.job_threads(study)
    resources:
        gpu=job_resources.gpus(study),
        mem_mb=job_resources.memory(study, job_resources.diagnosis_memory_mb),
    params:
        settings=SETTINGS,
    shell:
        "fmq diagnose {wildcards.task} --seed {wildcards.seed} --settings {params.settings} 2> {log}"


rule diagnose:
    input:
        ancient(MANIFESTS),
        ancient(analyses.diagnosis_files(study, RESULTS)),
    output:
        expand(
            f"{STUDY}/diagnosis/diagnosis.{{suffix}}",
            suffix=["csv", "csv-metadata.json"],
        ),
        expand(
            f"{STUDY}/diagnosis/{{name}}.{{suffix}}",
            name=DIAGNOSED,
            suffix=["md", "tex", "pdf"],
        ),
        [
            report(
                f"{STUDY}/diagnosis/{name}.png",
                caption=f"../report/diagnosis_{name}.rst",
                category="diagnosis",
                labels={"what": name, "kind": "figure"},
            )
            for name in DIAGNOSED
        ],
    log:
        f"{STUDY}/logs/diagnosis.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq diagnose-report --settings {params.settings} 2> {log}"
