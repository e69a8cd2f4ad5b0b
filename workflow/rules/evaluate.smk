rule evaluate:
    input:
        "results/runs/{task}/seed{seed}/{run}/checkpoint.pt",
    output:
        "results/runs/{task}/seed{seed}/evaluate-{run}-{sampler}.csv",
        "results/runs/{task}/seed{seed}/evaluate-{run}-{sampler}.json",
    log:
        "results/runs/{task}/seed{seed}/evaluate-{run}-{sampler}.log",
    conda:
        "../envs/fmq.yaml"
    threads: study_workflow.job_threads(study)
    resources:
        gpu=study_workflow.gpus(study),
        mem_mb=lambda wildcards, attempt: (
            attempt * study_workflow.memory_mb(study, wildcards.task)
        ),
    params:
        settings=lambda wildcards: study_workflow.evaluation_hash(
            study, wildcards.task, wildcards.seed, wildcards.run, wildcards.sampler
        ),
    shell:
        "fmq evaluate {wildcards.task} --seed {wildcards.seed} --run {wildcards.run}"
        " --sampler {wildcards.sampler} 2> {log}"
