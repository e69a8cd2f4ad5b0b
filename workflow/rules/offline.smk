rule pretrain:
    input:
        ancient(
            study_workflow.needs(
                GRAPH,
                study_workflow.in_seed_folders(
                    study, "pretrain", "pretrain-{budget}-{identity}"
                ),
            )
        ),
    output:
        study_workflow.run_files(study, "pretrain", "pretrain-{budget}-{identity}"),
    log:
        study_workflow.run_log(study, "pretrain", "pretrain-{budget}-{identity}"),
    priority: job_resources.PRIORITIES["pretrain"]
    conda:
        "../envs/fmq.yaml"
    threads: job_resources.training_threads(study)
    resources:
        gpu=job_resources.gpus(study),
        mem_mb=job_resources.memory(study, job_resources.training_memory_mb),
    params:
        settings=SETTINGS,
        seeds=study_workflow.seed_options(study, "pretrain"),
    shell:
        "fmq pretrain {wildcards.task} {params.seeds} --budget {wildcards.budget} --settings {params.settings} 2> {log}"


rule distill:
    input:
        ancient(
            study_workflow.needs(
                GRAPH,
                study_workflow.in_seed_folders(
                    study, "distill", "distill-{kind}-{identity}"
                ),
            )
        ),
    output:
        study_workflow.run_files(study, "distill", "distill-{kind}-{identity}"),
    log:
        study_workflow.run_log(study, "distill", "distill-{kind}-{identity}"),
    priority: job_resources.PRIORITIES["distill"]
    conda:
        "../envs/fmq.yaml"
    threads: job_resources.training_threads(study)
    resources:
        gpu=job_resources.gpus(study),
        mem_mb=job_resources.memory(study, job_resources.training_memory_mb),
    params:
        settings=SETTINGS,
        seeds=study_workflow.seed_options(study, "distill"),
    shell:
        "fmq distill {wildcards.task} {params.seeds} --kind {wildcards.kind} --settings {params.settings} 2> {log}"
