EVALUATION = "{run}-{identity}/evaluate-{sampler}-{sampling}"


rule evaluate:
    input:
        ancient(
            study_workflow.needs(
                GRAPH,
                study_workflow.in_seed_folders(study, "evaluate", f"{EVALUATION}.csv"),
            )
        ),
    output:
        study_workflow.in_seed_folders(study, "evaluate", f"{EVALUATION}.csv"),
        study_workflow.in_seed_folders(study, "evaluate", f"{EVALUATION}.json"),
    log:
        study_workflow.in_seed_folders(study, "evaluate", f"{EVALUATION}.log")[0],
    conda:
        "../envs/fmq.yaml"
    threads: job_resources.job_threads(study)
    resources:
        gpu=job_resources.evaluation_gpus(study),
        mem_mb=job_resources.memory(study),
    params:
        settings=SETTINGS,
        seeds=study_workflow.seed_options(study, "evaluate"),
    shell:
        "fmq evaluate {wildcards.task} {params.seeds} --run {wildcards.run}"
        " --sampler {wildcards.sampler} --settings {params.settings} 2> {log}"
