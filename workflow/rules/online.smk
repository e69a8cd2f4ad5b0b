rule finetune:
    input:
        lambda wildcards: study_workflow.dataset_manifest(study, wildcards.task),
        lambda wildcards: study_workflow.offline_checkpoint(study, **wildcards),
    output:
        "results/runs/{task}/seed{seed}/finetune-{method}/checkpoint.pt",
        "results/runs/{task}/seed{seed}/finetune-{method}/evaluations.csv",
        "results/runs/{task}/seed{seed}/finetune-{method}/metrics.csv",
        "results/runs/{task}/seed{seed}/finetune-{method}/settings.json",
        "results/runs/{task}/seed{seed}/finetune-{method}/provenance.json",
    log:
        "results/runs/{task}/seed{seed}/finetune-{method}/log.txt",
    wildcard_constraints:
        method=study_workflow.trained_pattern(study),
    priority: 1
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
            study, wildcards.task, wildcards.seed, f"finetune-{wildcards.method}"
        ),
    shell:
        "fmq finetune {wildcards.task} --seed {wildcards.seed} --method {wildcards.method} 2> {log}"
