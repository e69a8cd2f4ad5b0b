MANIFESTS = study_workflow.dataset_manifests(study)


rule scores:
    input:
        ancient(MANIFESTS),
        ancient(study_workflow.evaluation_files(study)),
    output:
        f"{STUDY}/scores.csv",
        f"{STUDY}/scores.csv-metadata.json",
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
        ancient(f"{STUDY}/scores.csv"),
    output:
        expand(
            f"{STUDY}/statistics/{{name}}.csv{{suffix}}",
            name=[
                "aggregates",
                "comparisons",
                "improvement",
                "profiles",
                "task_means",
            ],
            suffix=["", "-metadata.json"],
        ),
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
        ancient(f"{STUDY}/scores.csv"),
        ancient(rules.statistics.output),
    output:
        expand(
            f"{STUDY}/tables/{{name}}.{{suffix}}",
            name=["main", "length"],
            suffix=["tex", "md", "csv", "csv-metadata.json"],
        ),
        expand(f"{STUDY}/tables/comparisons.{{suffix}}", suffix=["tex", "md"]),
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
        ancient(f"{STUDY}/scores.csv"),
        ancient(rules.statistics.output),
    output:
        expand(f"{STUDY}/figures/{{name}}.pdf", name=shown.FIGURES),
        [
            report(
                f"{STUDY}/figures/{name}.png",
                caption=f"../report/{name}.rst",
                category="figures",
                labels={"what": name.replace("_", " "), "kind": "figure"},
            )
            for name in shown.FIGURES
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
        ancient(expand(f"{STUDY}/{{file}}", file=shown.FILES)),
        shown.later_than_others(study, study_workflow.RESULTS),
    output:
        expand("results/{file}", file=shown.FILES),
    log:
        f"{STUDY}/logs/show.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=SETTINGS,
    shell:
        "fmq show --settings {params.settings} 2> {log}"
