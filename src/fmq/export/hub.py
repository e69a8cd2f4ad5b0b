"""Policies by their name on the Hugging Face Hub: download the two files that acting needs."""

import re
from pathlib import Path

from fmq.base.errors import UserError
from fmq.base.messages import one_line
from fmq.export.card import CARD, WEIGHTS

PREFIX = "hf://"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def local_policy(name: str | Path, revision: str | None = None) -> Path:
    """Return the folder of a policy, downloaded if it is one of the Hub.

    A name such as ``user/policy`` is a folder if there is one, else a repository of the Hub, as
    ``hf://user/policy`` always is. Downloads are kept in the Hub's own cache.

    Args:
        name: a folder, or a repository of the Hub.
        revision: a branch, tag or commit of the repository; None takes its main branch.

    Raises:
        UserError: the repository cannot be downloaded, or a folder is given with a revision.
    """
    text = str(name)
    repository = text.removeprefix(PREFIX)
    remote = text.startswith(PREFIX) or not (isinstance(name, Path) or Path(text).exists())
    if remote and _NAME.fullmatch(repository):
        return _download(repository, revision)
    if text.startswith(PREFIX):
        raise UserError(f"{one_line(text, 200)}: no name of the Hub; write {PREFIX}USER/NAME")
    if revision is not None:
        raise UserError(
            f"{one_line(text, 200)}: a folder has no revision {one_line(revision, 80)!r}; only "
            f"repositories of the Hub, {PREFIX}USER/NAME, have revisions"
        )
    return Path(text)


def _download(repository: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError:
        raise UserError(
            f"{repository}: no such folder; to load it from the Hugging Face Hub, install "
            "huggingface_hub (`pip install 'huggingface_hub>=1'`)"
        ) from None
    try:
        found = snapshot_download(repository, revision=revision, allow_patterns=[CARD, WEIGHTS])
    except GatedRepoError:
        told = "is gated; ask for access on its page, then `hf auth login`"
    except RepositoryNotFoundError:
        told = "neither a folder nor a repository on the Hub; if it is private, `hf auth login`"
    except RevisionNotFoundError:
        told = f"has no revision {one_line(str(revision), 80)!r}; name a branch, tag or commit"
    except LocalEntryNotFoundError as error:
        reason = one_line(str(error.__cause__ or error), 200)
        told = f"the Hub cannot be reached, and no whole copy is here: {reason}"
    except Exception as error:  # of whichever HTTP library the installed version uses
        told = f"cannot be downloaded: {one_line(str(error), 200)}"
    else:
        return _whole(repository, Path(found))
    raise UserError(f"{repository}: {told}")


def _whole(repository: str, folder: Path) -> Path:
    """Return the folder of a download, which has both files; else raise `UserError`."""
    for file in (CARD, WEIGHTS):
        if not (folder / file).is_file():
            raise UserError(
                f"{repository}: has no {file}, so it is no policy of fmq; upload a whole folder "
                "that `fmq export` wrote"
            )
    return folder
