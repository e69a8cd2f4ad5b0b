# What `snakemake --report results/report.html` shows beside the figures.
rule page:
    input:
        "results/{folder}/{name}.md",
    output:
        report(
            "results/pages/{folder}-{name}.html",
            caption="../report/table.rst",
            category="{folder}",
            labels={"what": "{name}", "kind": "table"},
        ),
    log:
        "results/logs/page-{folder}-{name}.txt",
    conda:
        "../envs/fmq.yaml"
    shell:
        "fmq page {input} {output} 2> {log}"


rule settings_page:
    input:
        MANIFESTS,
    output:
        report(
            "results/pages/settings.html",
            caption="../report/settings.rst",
            category="settings",
            labels={"what": "settings", "kind": "table"},
        ),
    log:
        "results/logs/settings-page.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq settings-page {output} 2> {log}"


# `snakemake evidence`: every target there is, for a report of all of it.
rule evidence:
    input:
        rules.paper.output,
        rules.settings_page.output,
        rules.rollouts.input,
        expand(
            "results/pages/{page}.html",
            page=study_workflow.PAGES,
        ),
