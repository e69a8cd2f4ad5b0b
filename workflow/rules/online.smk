rule finetune:
    input:
        ancient(
            lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task)
        ),
        ancient(
            lambda wildcards: training_jobs.parent_checkpoints(
                study, "finetune-{method}", wildcards
            )
        ),
    output:
        training_jobs.outputs(study, "finetune-{method}-{identity}"),
    log:
        training_jobs.log(study, "finetune-{method}-{identity}"),
    wildcard_constraints:
        method=study_workflow.trained_pattern(study),
    priority: 1
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
        "fmq finetune {wildcards.task} {params.seeds} --method {wildcards.method} --settings {params.settings} 2> {log}"
