rule evaluate:
    input:
        training_jobs.in_seed_folders(study, "{run}/checkpoint.pt"),
    output:
        training_jobs.in_seed_folders(study, "evaluate-{run}-{sampler}.csv"),
        training_jobs.in_seed_folders(study, "evaluate-{run}-{sampler}.json"),
    log:
        training_jobs.in_seed_folders(study, "evaluate-{run}-{sampler}.log")[0],
    conda:
        "../envs/fmq.yaml"
    threads: study_workflow.job_threads(study)
    resources:
        gpu=study_workflow.gpus(study),
        mem_mb=lambda wildcards, attempt: (
            attempt * study_workflow.memory_mb(study, wildcards.task)
        ),
    params:
        seeds=lambda wildcards: training_jobs.evaluated_seeds(study, wildcards),
        settings=lambda wildcards: training_jobs.evaluation_hashes(study, wildcards),
    shell:
        "fmq evaluate {wildcards.task} {params.seeds} --run {wildcards.run}"
        " --sampler {wildcards.sampler} 2> {log}"
