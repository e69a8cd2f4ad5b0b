"""Whether a report that Snakemake is asked for is of the study that filled the results."""

from collections.abc import Sequence
from pathlib import Path

from fmq import paths
from fmq.configuration import load_study
from fmq.errors import UserError
from fmq.runs import settings_hash
from fmq.settings import Study


def refuse_other_report(study: Study, results: Path, arguments: Sequence[str]) -> None:
    """Raise `UserError` if a report is asked for and the last study in `results` is another one.

    Snakemake itself would put the files of the one under the title of the other.

    Args:
        arguments: Snakemake's own.
    """
    if not any(argument.partition("=")[0] == "--report" for argument in arguments):
        return
    path = paths.settings_file(results)
    if not path.exists():
        raise UserError(f"{path}: no study has run here yet; run it, then ask for the report")
    last = load_study(path)
    found, wanted = (settings_hash(one.shaping()) for one in (last, study))
    if found != wanted:
        raise UserError(
            f"{results} was last filled by study {last.name} (settings {found[:12]}), and the "
            f"report is asked of {study.name} ({wanted[:12]}); give --report the --configfile that "
            "the study ran with, or run this one first"
        )
