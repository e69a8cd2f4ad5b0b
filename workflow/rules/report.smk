# Pages that `snakemake --report results/report.html` shows beside the figures.
rule page:
    input:
        ancient(f"{STUDY}/{{folder}}/{{name}}.md"),
    output:
        report(
            f"{STUDY}/pages/{{folder}}-{{name}}.html",
            caption="../report/table.rst",
            category="{folder}",
            labels={"what": "{name}", "kind": "table"},
        ),
    log:
        f"{STUDY}/logs/page-{{folder}}-{{name}}.txt",
    conda:
        "../envs/fmq.yaml"
    shell:
        "fmq page {input} {output} 2> {log}"


# What the study comes to; the report opens on it (workflow/report/workflow.rst).
rule summary_page:
    input:
        ancient(study_workflow.needs(GRAPH, f"{STUDY}/summary-page")),
    output:
        report(
            f"{STUDY}/pages/summary.html",
            caption="../report/summary.rst",
            category="summary",
            labels={"what": "summary", "kind": "page"},
        ),
    log:
        f"{STUDY}/logs/summary-page.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq summary-page {output} --settings {params.settings} 2> {log}"


rule settings_page:
    input:
        ancient(study_workflow.needs(GRAPH, f"{STUDY}/settings-page")),
    output:
        report(
            f"{STUDY}/pages/settings.html",
            caption="../report/settings.rst",
            category="settings",
            labels={"what": "settings", "kind": "table"},
        ),
    log:
        f"{STUDY}/logs/settings-page.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq settings-page {output} --settings {params.settings} 2> {log}"


# `snakemake evidence`: make every target, for a report with all results.
rule evidence:
    input:
        ancient(rules.paper.output),
        ancient(rules.summary_page.output),
        ancient(rules.settings_page.output),
        ancient(rules.rollouts.input),
        expand(
            f"{STUDY}/pages/{{page}}.html",
            page=study_workflow.pages(study),
        ),
