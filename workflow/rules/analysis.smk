MANIFESTS = analyses.manifest_files(study, RESULTS)


rule scores:
    input:
        ancient(study_workflow.needs(GRAPH, f"{STUDY}/scores")),
    output:
        expand(f"{STUDY}/{{file}}", file=analyses.SCORES),
    log:
        f"{STUDY}/logs/scores.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq scores --settings {params.settings} 2> {log}"


rule statistics:
    input:
        ancient(study_workflow.needs(GRAPH, f"{STUDY}/statistics")),
    output:
        expand(f"{STUDY}/{{file}}", file=analyses.STATISTICS),
    log:
        f"{STUDY}/logs/statistics.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq statistics --settings {params.settings} 2> {log}"


rule tables:
    input:
        ancient(study_workflow.needs(GRAPH, f"{STUDY}/tables")),
    output:
        expand(f"{STUDY}/{{file}}", file=analyses.table_files(study)),
    log:
        f"{STUDY}/logs/tables.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq tables --settings {params.settings} 2> {log}"


rule figures:
    input:
        ancient(study_workflow.needs(GRAPH, f"{STUDY}/figures")),
    output:
        expand(f"{STUDY}/figures/{{name}}.pdf", name=analyses.FIGURES),
        [
            report(
                f"{STUDY}/figures/{name}.png",
                caption=f"../report/{name}.rst",
                category="figures",
                labels={"what": name.replace("_", " "), "kind": "figure"},
            )
            for name in analyses.FIGURES
        ],
    log:
        f"{STUDY}/logs/figures.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq figures --settings {params.settings} 2> {log}"


# Copy the tables and figures of the study that was run last to paths that never change.
rule show:
    input:
        ancient(study_workflow.needs(GRAPH, f"{STUDY}/show")),
        shown.later_than_others(study, RESULTS),
    output:
        expand("results/{file}", file=analyses.shown_files(study)),
    log:
        f"{STUDY}/logs/show.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq show --settings {params.settings} 2> {log}"
