FIGURES = ["learning_curves", "aggregates", "profiles", "improvement"]
MANIFESTS = expand(
    "results/datasets/{dataset}/manifest.json",
    dataset=study.dataset_names(),
)


rule scores:
    input:
        MANIFESTS,
        study_workflow.evaluation_files(study),
    output:
        "results/scores.csv",
        "results/scores.csv-metadata.json",
    log:
        "results/logs/scores.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq scores 2> {log}"


rule statistics:
    input:
        "results/scores.csv",
    output:
        expand(
            "results/statistics/{name}.csv{suffix}",
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
        "results/logs/statistics.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq statistics 2> {log}"


rule tables:
    input:
        "results/scores.csv",
        rules.statistics.output,
    output:
        expand(
            "results/tables/{name}.{suffix}",
            name=["main", "length"],
            suffix=["tex", "md", "csv", "csv-metadata.json"],
        ),
        expand("results/tables/comparisons.{suffix}", suffix=["tex", "md"]),
    log:
        "results/logs/tables.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq tables 2> {log}"


rule figures:
    input:
        "results/scores.csv",
        rules.statistics.output,
    output:
        expand("results/figures/{name}.pdf", name=FIGURES),
        [
            report(
                f"results/figures/{name}.png",
                caption=f"../report/{name}.rst",
                category="figures",
                labels={"what": name.replace("_", " "), "kind": "figure"},
            )
            for name in FIGURES
        ],
    log:
        "results/logs/figures.txt",
    conda:
        "../envs/fmq.yaml"
    params:
        settings=study_workflow.study_hash(study),
    shell:
        "fmq figures 2> {log}"
