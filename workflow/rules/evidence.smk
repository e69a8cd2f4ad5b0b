rule convergence:
    input:
        ancient(f"{STUDY}/scores.csv"),
        ancient(MANIFESTS),
    output:
        expand(
            f"{STUDY}/convergence/steps.{{suffix}}",
            suffix=["tex", "md", "csv", "csv-metadata.json"],
        ),
        f"{STUDY}/convergence/convergence.pdf",
        report(
            f"{STUDY}/convergence/convergence.png",
            caption="../report/convergence.rst",
            category="convergence",
            labels={"what": "convergence", "kind": "figure"},
        ),
    log:
        f"{STUDY}/logs/convergence.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq convergence --settings {params.settings} 2> {log}"


rule trust_region:
    input:
        ancient(MANIFESTS),
        ancient(analyses.metrics_files(study, RESULTS)),
    output:
        expand(
            f"{STUDY}/trust_region/trust_region.{{suffix}}",
            suffix=["tex", "md", "csv", "csv-metadata.json", "pdf"],
        ),
        report(
            f"{STUDY}/trust_region/trust_region.png",
            caption="../report/trust_region.rst",
            category="trust_region",
            labels={"what": "trust region", "kind": "figure"},
        ),
    log:
        f"{STUDY}/logs/trust_region.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq trust-region --settings {params.settings} 2> {log}"
