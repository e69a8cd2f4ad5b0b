def offline_checkpoint(wildcards):
    run = study.offline_run(wildcards.method)
    return f"results/runs/{wildcards.task}/seed{wildcards.seed}/{run}/checkpoint.pt"


rule finetune:
    input:
        dataset_of,
        offline_checkpoint,
    output:
        "results/runs/{task}/seed{seed}/finetune-{method}/checkpoint.pt",
        "results/runs/{task}/seed{seed}/finetune-{method}/evaluations.csv",
        "results/runs/{task}/seed{seed}/finetune-{method}/metrics.csv",
        "results/runs/{task}/seed{seed}/finetune-{method}/settings.json",
        "results/runs/{task}/seed{seed}/finetune-{method}/provenance.json",
    log:
        "results/runs/{task}/seed{seed}/finetune-{method}/log.txt",
    params:
        settings=lambda wildcards: study_workflow.run_hash(
            study, wildcards.task, wildcards.seed, f"finetune-{wildcards.method}"
        ),
    threads: study.threads
    priority: 1
    shell:
        "fmq finetune {wildcards.task} --seed {wildcards.seed} --method {wildcards.method} 2> {log}"
