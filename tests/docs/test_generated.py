"""The generated part of the reference, row by row."""

from generate_reference import commands_reference, settings_reference, table

TEXT = settings_reference()
COMMANDS = commands_reference()


def test_a_setting_has_type_bounds_value_and_description() -> None:
    rows = [
        "| `eta` | number, at least 0 | `1.0` | radius of the trust region |",
        "| `discount` | number, more than 0, less than 1; `0.99` if left out | `0.99` | "
        "gamma, per environment step |",
        '| `activation` | `"gelu"`, `"silu"` | `"silu"` | gelu is its tanh approximation |',
        '| `device` | text, matches `^(auto\\|cpu\\|cuda(:\\d+)?)$` | `"auto"` | '
        "auto uses a GPU if there is one and the networks are wide enough to gain |",
        "| `data_dir` | text or `null` | `null` | folder with copies of published files, or null |",
        "| `fmq` | section | see there | "
        "The FMQ loss: the trust region of Theorem 3.2, and losses added to it. |",
    ]
    assert [row for row in rows if row not in TEXT.splitlines()] == []


def test_sections_are_in_the_order_of_the_settings() -> None:
    titles = [line[3:] for line in TEXT.splitlines() if line.startswith("## ")]
    assert titles[:3] == ["Top level", "`own_methods.NAME`", "`imported.NAME`"]
    assert titles[3] == "`task_defaults`"
    assert titles.index("`datasets.NAME`, scripted") < titles.index("`networks`")
    assert titles[-2:] == ["`ablations`", "Names"]


def test_a_command_has_its_usage_and_parameters() -> None:
    plan = COMMANDS.partition("## fmq plan\n")[2].partition("\n## ")[0]
    assert "fmq plan [CHANGES...] [--cores CORES]" in plan.splitlines()
    assert "| `CHANGES` | texts | – | What differs from config.yaml: overlays, and " in plan
    assert "| `--cores` | integer, at least 1 | – | " in plan
    export = COMMANDS.partition("## fmq export\n")[2].partition("\n## ")[0]
    assert "fmq export TASK --seed SEED --run RUN --to TO [--one-step]" in export
    assert (
        "| `--one-step` | switch | – | Also export the one-step map with torch.export. |" in export
    )
    assert "| `--to` | path | required | New folder for the policy. |" in export


def test_a_bar_in_a_cell_is_no_end_of_it() -> None:
    assert table(("a",), [["b|c"]]) == "| a |\n| --- |\n| b\\|c |"
