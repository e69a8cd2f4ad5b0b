rule pretrain:
    input:
        lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task),
    output:
        "results/runs/{task}/seed{seed}/pretrain-{budget}/checkpoint.pt",
        "results/runs/{task}/seed{seed}/pretrain-{budget}/evaluations.csv",
        "results/runs/{task}/seed{seed}/pretrain-{budget}/metrics.csv",
        "results/runs/{task}/seed{seed}/pretrain-{budget}/settings.json",
        "results/runs/{task}/seed{seed}/pretrain-{budget}/provenance.json",
    log:
        "results/runs/{task}/seed{seed}/pretrain-{budget}/log.txt",
    priority: 2
    conda:
        "../envs/fmq.yaml"
    threads: study_workflow.job_threads(study)
    resources:
        gpu=study_workflow.gpus(study),
        mem_mb=lambda wildcards, attempt: (
            attempt * study_workflow.memory_mb(study, wildcards.task)
        ),
    params:
        settings=lambda wildcards: study_workflow.run_hash(
            study, wildcards.task, wildcards.seed, f"pretrain-{wildcards.budget}"
        ),
    shell:
        "fmq pretrain {wildcards.task} --seed {wildcards.seed} --budget {wildcards.budget} 2> {log}"


rule distill:
    input:
        lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task),
        "results/runs/{task}/seed{seed}/pretrain-warmup/checkpoint.pt",
    output:
        "results/runs/{task}/seed{seed}/distill-{kind}/checkpoint.pt",
        "results/runs/{task}/seed{seed}/distill-{kind}/evaluations.csv",
        "results/runs/{task}/seed{seed}/distill-{kind}/metrics.csv",
        "results/runs/{task}/seed{seed}/distill-{kind}/settings.json",
        "results/runs/{task}/seed{seed}/distill-{kind}/provenance.json",
    log:
        "results/runs/{task}/seed{seed}/distill-{kind}/log.txt",
    priority: 2
    conda:
        "../envs/fmq.yaml"
    threads: study_workflow.job_threads(study)
    resources:
        gpu=study_workflow.gpus(study),
        mem_mb=lambda wildcards, attempt: (
            attempt * study_workflow.memory_mb(study, wildcards.task)
        ),
    params:
        settings=lambda wildcards: study_workflow.run_hash(
            study, wildcards.task, wildcards.seed, f"distill-{wildcards.kind}"
        ),
    shell:
        "fmq distill {wildcards.task} --seed {wildcards.seed} --kind {wildcards.kind} 2> {log}"
