rule pretrain:
    input:
        ancient(
            lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task)
        ),
    output:
        training_jobs.outputs(study, "pretrain-{budget}-{identity}"),
    log:
        training_jobs.log(study, "pretrain-{budget}-{identity}"),
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
        settings=SETTINGS,
        seeds=training_jobs.seed_options(study),
    shell:
        "fmq pretrain {wildcards.task} {params.seeds} --budget {wildcards.budget} --settings {params.settings} 2> {log}"


rule distill:
    input:
        ancient(
            lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task)
        ),
        ancient(
            lambda wildcards: training_jobs.parent_checkpoints(
                study, "distill-{kind}", wildcards
            )
        ),
    output:
        training_jobs.outputs(study, "distill-{kind}-{identity}"),
    log:
        training_jobs.log(study, "distill-{kind}-{identity}"),
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
        settings=SETTINGS,
        seeds=training_jobs.seed_options(study),
    shell:
        "fmq distill {wildcards.task} {params.seeds} --kind {wildcards.kind} --settings {params.settings} 2> {log}"
