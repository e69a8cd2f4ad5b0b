rule convergence:
    input:
        "results/scores.csv",
        MANIFESTS,
        study_workflow.metrics_files(study),
    output:
        expand(
            "results/convergence/{name}.{suffix}",
            name=["steps", "seconds"],
            suffix=["tex", "md", "csv", "csv-metadata.json"],
        ),
        "results/convergence/convergence.pdf",
        report(
            "results/convergence/convergence.png",
            caption="../report/convergence.rst",
            category="convergence",
            labels={"what": "convergence", "kind": "figure"},
        ),
    log:
        "results/logs/convergence.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq convergence 2> {log}"


rule trust_region:
    input:
        MANIFESTS,
        study_workflow.metrics_files(study),
    output:
        expand(
            "results/trust_region/trust_region.{suffix}",
            suffix=["tex", "md", "csv", "csv-metadata.json", "pdf"],
        ),
        report(
            "results/trust_region/trust_region.png",
            caption="../report/trust_region.rst",
            category="trust_region",
            labels={"what": "trust region", "kind": "figure"},
        ),
    log:
        "results/logs/trust_region.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq trust-region 2> {log}"
