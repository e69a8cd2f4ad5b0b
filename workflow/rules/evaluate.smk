EVALUATION = "{run}-{identity}/evaluate-{sampler}-{sampling}"


rule evaluate:
    input:
        ancient(training_jobs.in_seed_folders(study, "{run}-{identity}/checkpoint.pt")),
    output:
        training_jobs.in_seed_folders(study, f"{EVALUATION}.csv"),
        training_jobs.in_seed_folders(study, f"{EVALUATION}.json"),
    log:
        training_jobs.in_seed_folders(study, f"{EVALUATION}.log")[0],
    conda:
        "../envs/fmq.yaml"
    threads: study_workflow.job_threads(study)
    resources:
        gpu=study_workflow.gpus(study),
        mem_mb=lambda wildcards, attempt: (
            attempt * study_workflow.memory_mb(study, wildcards.task)
        ),
    params:
        settings=SETTINGS,
        seeds=training_jobs.seed_options(study),
    shell:
        "fmq evaluate {wildcards.task} {params.seeds} --run {wildcards.run}"
        " --sampler {wildcards.sampler} --settings {params.settings} 2> {log}"
