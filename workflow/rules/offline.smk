rule pretrain:
    input:
        lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task),
    output:
        training_jobs.outputs(study, "pretrain-{budget}"),
    log:
        training_jobs.log(study, "pretrain-{budget}"),
    priority: 2
    conda:
        "../envs/fmq.yaml"
    threads: study_workflow.job_threads(study)
    resources:
        gpu=study_workflow.gpus(study),
        mem_mb=lambda wildcards, attempt: (
            attempt * training_jobs.memory_mb(study, wildcards.task)
        ),
    params:
        seeds=lambda wildcards: training_jobs.seed_options(
            study, "pretrain-{budget}", wildcards
        ),
        settings=lambda wildcards: training_jobs.run_hashes(
            study, "pretrain-{budget}", wildcards
        ),
    shell:
        "fmq pretrain {wildcards.task} {params.seeds} --budget {wildcards.budget} 2> {log}"


rule distill:
    input:
        lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task),
        lambda wildcards: training_jobs.parent_checkpoints(
            study, "distill-{kind}", wildcards
        ),
    output:
        training_jobs.outputs(study, "distill-{kind}"),
    log:
        training_jobs.log(study, "distill-{kind}"),
    priority: 2
    conda:
        "../envs/fmq.yaml"
    threads: study_workflow.job_threads(study)
    resources:
        gpu=study_workflow.gpus(study),
        mem_mb=lambda wildcards, attempt: (
            attempt * training_jobs.memory_mb(study, wildcards.task)
        ),
    params:
        seeds=lambda wildcards: training_jobs.seed_options(
            study, "distill-{kind}", wildcards
        ),
        settings=lambda wildcards: training_jobs.run_hashes(
            study, "distill-{kind}", wildcards
        ),
    shell:
        "fmq distill {wildcards.task} {params.seeds} --kind {wildcards.kind} 2> {log}"
