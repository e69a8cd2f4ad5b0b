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
        ancient(rules.settings_page.output),
        ancient(rules.rollouts.input),
        expand(
            f"{STUDY}/pages/{{page}}.html",
            page=study_workflow.pages(study),
        ),
