# `snakemake rollouts`: episodes that were counted, to look at; in mazes also from above.
from fmq.rollouts import targets
from fmq.rollouts.selection import shown_seed


rule record_rollouts:
    input:
        "results/runs/{task}/seed{seed}/finetune-{method}/checkpoint.pt",
        lambda wildcards: targets.last_evaluation(
            study, wildcards.task, wildcards.seed, wildcards.method
        ),
    output:
        "results/runs/{task}/seed{seed}/rollouts-{method}.npz",
    log:
        "results/runs/{task}/seed{seed}/rollouts-{method}.log",
    conda:
        "../envs/fmq.yaml"
    threads: study.threads
    resources:
        gpu=study_workflow.gpus(study),
        mem_mb=lambda wildcards, attempt: (
            attempt * study_workflow.memory_mb(study, wildcards.task)
        ),
    params:
        settings=lambda wildcards: targets.rollouts_hash(
            study, wildcards.task, wildcards.seed, wildcards.method
        ),
    shell:
        "fmq rollouts {wildcards.task} --seed {wildcards.seed}"
        " --method {wildcards.method} 2> {log}"


rule film_rollouts:
    input:
        lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task),
        f"results/runs/{{task}}/seed{shown_seed(study)}/rollouts-{{method}}.npz",
    output:
        # The GIF is none: without a graphics library there is none.
        report(
            "results/rollouts/{task}/{method}.png",
            caption="../report/rollouts_sheet.rst",
            category="rollouts",
            labels={"task": "{task}", "method": "{method}", "kind": "pictures"},
        ),
        report(
            "results/rollouts/{task}/{method}.html",
            caption="../report/rollouts_film.rst",
            category="rollouts",
            labels={"task": "{task}", "method": "{method}", "kind": "film"},
        ),
        "results/rollouts/{task}/{method}.pdf",
    log:
        "results/logs/film-{task}-{method}.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
        seed=shown_seed(study),
    shell:
        "fmq film {wildcards.task} --seed {params.seed} --method {wildcards.method} 2> {log}"


rule trajectories:
    input:
        lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task),
        lambda wildcards: targets.recorded_files(study, wildcards.task),
    output:
        report(
            "results/rollouts/{task}/trajectories.png",
            caption="../report/rollouts_trajectories.rst",
            category="rollouts",
            labels={"task": "{task}", "method": "all", "kind": "from above"},
        ),
        "results/rollouts/{task}/trajectories.pdf",
    log:
        "results/logs/trajectories-{task}.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
        seed=shown_seed(study),
    shell:
        "fmq trajectories {wildcards.task} --seed {params.seed} 2> {log}"


rule rollouts:
    input:
        targets.rollout_files(study),
