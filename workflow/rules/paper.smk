# `snakemake paper`: collect all results in one document, typeset if TeX is installed.
rule paper:
    input:
        ancient(MANIFESTS),
        ancient(rules.tables.output),
        ancient(rules.figures.output),
        ancient(rules.convergence.output),
        ancient(rules.trust_region.output),
        ancient(rules.inference.output),
        ancient(rules.ablations.output),
        ancient(rules.theory_report.output),
        ancient(rules.diagnose.output),
    output:
        # The PDF is not a declared output, because it is only made if TeX is installed.
        f"{STUDY}/paper.tex",
    log:
        f"{STUDY}/logs/paper.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq paper --settings {params.settings} 2> {log}"
