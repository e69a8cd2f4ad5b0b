# `snakemake paper`: all of it in one document, set where a TeX is installed.
rule paper:
    input:
        MANIFESTS,
        rules.tables.output,
        rules.figures.output,
        rules.convergence.output,
        rules.trust_region.output,
        rules.inference.output,
        rules.ablations.output,
        rules.theory_report.output,
    output:
        # The PDF is none: without a TeX there is none.
        "results/paper.tex",
    log:
        "results/logs/paper.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq paper 2> {log}"
