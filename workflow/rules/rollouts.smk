# `snakemake rollouts`: films and pictures of the evaluation episodes; in mazes also from above.
from fmq.pipeline import rollout_targets as targets
from fmq.pipeline.rollouts import shown_seed

FINETUNED = "results/runs/{task}/seed{seed}/finetune-{method}-{identity}"


rule record_rollouts:
    input:
        ancient(f"{FINETUNED}/checkpoint.pt"),
        ancient(
            lambda wildcards: targets.last_evaluation(
                study, wildcards.task, wildcards.seed, wildcards.method
            )
        ),
    output:
        f"{FINETUNED}/rollouts-{{sampling}}.npz",
    log:
        f"{FINETUNED}/rollouts-{{sampling}}.log",
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
        "fmq rollouts {wildcards.task} --seed {wildcards.seed}"
        " --method {wildcards.method} --settings {params.settings} 2> {log}"


rule film_rollouts:
    input:
        ancient(
            lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task)
        ),
        ancient(
            lambda wildcards: targets.recorded_file(
                study, wildcards.task, wildcards.method
            )
        ),
    output:
        # The GIF is not a declared output, because it needs a graphics library.
        report(
            f"{STUDY}/rollouts/{{task}}/{{method}}.png",
            caption="../report/rollouts_sheet.rst",
            category="rollouts",
            labels={"task": "{task}", "method": "{method}", "kind": "pictures"},
        ),
        report(
            f"{STUDY}/rollouts/{{task}}/{{method}}.html",
            caption="../report/rollouts_film.rst",
            category="rollouts",
            labels={"task": "{task}", "method": "{method}", "kind": "film"},
        ),
        f"{STUDY}/rollouts/{{task}}/{{method}}.pdf",
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
        ancient(
            lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task)
        ),
        ancient(lambda wildcards: targets.recorded_files(study, wildcards.task)),
    output:
        report(
            f"{STUDY}/rollouts/{{task}}/trajectories.png",
            caption="../report/rollouts_trajectories.rst",
            category="rollouts",
            labels={"task": "{task}", "method": "all", "kind": "from above"},
        ),
        f"{STUDY}/rollouts/{{task}}/trajectories.pdf",
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
        ancient(targets.rollout_files(study)),
