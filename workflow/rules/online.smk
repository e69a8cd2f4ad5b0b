rule finetune:
    input:
        ancient(
            study_workflow.needs(
                GRAPH,
                study_workflow.in_seed_folders(
                    study, "finetune", "finetune-{method}-{identity}"
                ),
            )
        ),
    output:
        study_workflow.run_files(study, "finetune", "finetune-{method}-{identity}"),
    log:
        study_workflow.run_log(study, "finetune", "finetune-{method}-{identity}"),
    wildcard_constraints:
        method=study_workflow.trained_pattern(study),
    priority: job_resources.PRIORITIES["finetune"]
    conda:
        "../envs/fmq.yaml"
    threads: job_resources.online_threads(study)
    resources:
        gpu=job_resources.gpus(study),
        mem_mb=job_resources.memory(study, job_resources.training_memory_mb),
    params:
        settings=SETTINGS,
        seeds=study_workflow.seed_options(study, "finetune"),
    shell:
        "fmq finetune {wildcards.task} {params.seeds} --method {wildcards.method} --settings {params.settings} 2> {log}"
