# `snakemake rollouts`: films and pictures of the evaluation episodes; in mazes also from above.
from fmq.pipeline.rollouts import shown_seed

RECORDED = f"{FINETUNED}/rollouts-{{sampling}}"
FILMS = f"{STUDY}/rollouts/{{task}}"


rule record_rollouts:
    input:
        ancient(study_workflow.needs(GRAPH, f"{RECORDED}.npz")),
    output:
        f"{RECORDED}.npz",
    log:
        f"{RECORDED}.log",
    conda:
        "../envs/fmq.yaml"
    threads: study.threads
    resources:
        gpu=job_resources.recording_gpus(study),
        mem_mb=job_resources.memory(study),
    params:
        settings=SETTINGS,
    shell:
        "fmq rollouts {wildcards.task} --seed {wildcards.seed}"
        " --method {wildcards.method} --settings {params.settings} 2> {log}"


rule film_rollouts:
    input:
        ancient(study_workflow.needs(GRAPH, f"{FILMS}/{{method}}")),
    output:
        # The GIF is not a declared output, because it needs a graphics library.
        report(
            f"{FILMS}/{{method}}.png",
            caption="../report/rollouts_sheet.rst",
            category="rollouts",
            labels={"task": "{task}", "method": "{method}", "kind": "pictures"},
        ),
        report(
            f"{FILMS}/{{method}}.html",
            caption="../report/rollouts_film.rst",
            category="rollouts",
            labels={"task": "{task}", "method": "{method}", "kind": "film"},
        ),
        f"{FILMS}/{{method}}.pdf",
    log:
        f"{STUDY}/logs/film-{{task}}-{{method}}.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
        seed=shown_seed(study),
    shell:
        "fmq film {wildcards.task} --seed {params.seed} --method {wildcards.method} --settings {params.settings} 2> {log}"


rule trajectories:
    input:
        ancient(study_workflow.needs(GRAPH, f"{FILMS}/trajectories")),
    output:
        report(
            f"{FILMS}/trajectories.png",
            caption="../report/rollouts_trajectories.rst",
            category="rollouts",
            labels={"task": "{task}", "method": "all", "kind": "from above"},
        ),
        f"{FILMS}/trajectories.pdf",
    log:
        f"{STUDY}/logs/trajectories-{{task}}.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
        seed=shown_seed(study),
    shell:
        "fmq trajectories {wildcards.task} --seed {params.seed} --settings {params.settings} 2> {log}"


rule rollouts:
    input:
        ancient(analyses.rollout_files(study, STUDY, RESULTS)),
