"""Download a file from the first address that serves a correct one; resume interrupted downloads.

During the download the file is named ``NAME.part``; ``NAME.part.json`` records where it comes from,
so that a later process can resume it.
"""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import requests
import tenacity

from fmq.base.errors import UserError
from fmq.base.files import file_sha256
from fmq.base.progress import progress
from fmq.data.http_faults import IDENTITY, fault_of, reason_of

_MEGABYTE = 1_000_000
_CHUNK_BYTES = 64 * 1024
_TIMEOUT = (10.0, 60.0)
"""Timeouts in seconds: to connect, and between two pieces of a response."""
_LONGEST_PAUSE = 60.0


class Fetched(NamedTuple):
    """A downloaded file: its address, size in bytes, and SHA-256 in hexadecimal."""

    address: str
    bytes: int
    sha256: str


class _Origin(NamedTuple):
    """The content of ``.part.json``; `validator` identifies the version, `total` is the size."""

    address: str
    validator: str | None
    total: int | None


class _AddressError(Exception):
    """This address does not serve the file."""


class _TransientError(Exception):
    """A retry of this address may succeed, after `pause` seconds if the server asked for that."""

    pause = 0.0


def download(
    addresses: Sequence[str],
    path: Path,
    *,
    sha256: str | None,
    check: Callable[[Path], None],
    attempts: int = 6,
    pause: float = 1.0,
) -> Fetched:
    """Download `path` from the first of `addresses` that serves a correct file.

    The file is renamed to `path` only after it passed every check; until then an older one stays
    untouched. An interrupted download stays as ``.part`` and is resumed, by this process or a
    later one, if the server still has the same version; a part that fails a check is deleted.

    Args:
        addresses: HTTP addresses, the primary one first, then its mirrors.
        path: the file to write; its folder is created if needed.
        sha256: the expected digest, in lower-case hexadecimal; None accepts any.
        check: checks the content of the file, which is still named ``.part``; raises `UserError`
            if it is wrong.
        attempts: attempts per address if the connection or the server fails.
        pause: seconds before the second attempt; doubled for every further attempt.

    Raises:
        UserError: no address served a correct file, or the disk is full or not writable.
    """
    part = path.with_name(f"{path.name}.part")
    reasons = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for address in addresses:
            try:
                found = _retrying(path.name, attempts, pause)(_fetch, address, part, sha256, check)
            except (_AddressError, _TransientError) as error:
                # What a check finds is told of the temporary file.
                reasons.append(f"{address}: {str(error).replace(str(part), 'the file there')}")
                continue
            fetched = Fetched(address, part.stat().st_size, found)
            part.replace(path)
            _note(part).unlink(missing_ok=True)
            return fetched
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror or error}; make room or fix the "
            "folder, or put a copy into data_dir"
        ) from None
    raise UserError(
        f"{path}: no address has a usable file ({'; '.join(reasons)}); check the connection, or "
        "put a copy into data_dir: see docs/paper_study.md"
    )


def _retrying(name: str, attempts: int, pause: float) -> tenacity.Retrying:
    """Return a retrier that repeats and reports calls that raise `_TransientError`.

    The last error is raised.
    """
    backoff = tenacity.wait_exponential_jitter(initial=pause, max=_LONGEST_PAUSE, jitter=pause)

    def error(state: tenacity.RetryCallState) -> BaseException | None:
        return state.outcome.exception() if state.outcome else None

    def say(state: tenacity.RetryCallState) -> None:
        line = f"download {name}: {error(state)}; retrying in {state.upcoming_sleep:.0f} s"
        print(line, file=sys.stderr, flush=True)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_TransientError),
        stop=tenacity.stop_after_attempt(attempts),
        wait=lambda state: max(backoff(state), getattr(error(state), "pause", 0.0)),
        before_sleep=say,
        reraise=True,
    )


def _fetch(address: str, part: Path, sha256: str | None, check: Callable[[Path], None]) -> str:
    """Try once to complete `part` and return its SHA-256; delete it if it is wrong."""
    response, offset = _open(address, part)
    with response:
        # To a range behind the last byte the answer is only a page that says so.
        ended = response.status_code == 416
        total = offset if ended else _receive(response, part, offset, address)
    size = part.stat().st_size
    if total not in (None, size):
        raise _TransientError(f"received {size} of {total} bytes")
    found = file_sha256(part)
    try:
        if sha256 not in (None, found):
            raise UserError(f"SHA-256 is {found[:16]}..., expected {str(sha256)[:16]}...")
        check(part)
    except UserError as error:
        part.unlink()
        _note(part).unlink(missing_ok=True)
        # Bytes of an earlier attempt may be wrong, so this address deserves a fresh start.
        raise (_TransientError if offset else _AddressError)(error) from None
    return found


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _open(address: str, part: Path) -> tuple[requests.Response, int]:
    """Return a usable response and the offset in `part` of its body (0: from the start).

    A response with the status 416 says that `part` is complete.
    """
    try:
        origin = _Origin(**json.loads(_note(part).read_text(encoding="utf-8")))
        size = part.stat().st_size
    except (FileNotFoundError, ValueError, TypeError):  # TypeError: JSON with other fields
        origin, size = _Origin("", None, None), 0
    if size and origin.address == address and origin.validator:
        response = _get(address, {"Range": f"bytes={size}-", "If-Range": origin.validator})
        if _continues(response, size, origin):
            return _usable(response, 206), size
        if _ends(response, size, origin):
            return response, size
        if response.status_code not in (206, 416):
            return _usable(response, 200), 0
        response.close()
    return _usable(_get(address, {}), 200), 0


def _get(address: str, headers: dict[str, str]) -> requests.Response:
    try:
        return requests.get(address, headers=IDENTITY | headers, timeout=_TIMEOUT, stream=True)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _TransientError(reason_of(error)) from None
    except requests.RequestException as error:
        raise _AddressError(reason_of(error)) from None


def _continues(response: requests.Response, size: int, origin: _Origin) -> bool:
    """Return whether the body continues the same version of the file after `size` bytes."""
    content = response.headers.get("Content-Range", "")
    return (
        response.status_code == 206
        and content.startswith(f"bytes {size}-")
        and content.endswith(f"/{origin.total}")
        # A server may support Range but not If-Range, and send the rest of another version.
        and _validator(response) in (None, origin.validator)
    )


def _ends(response: requests.Response, size: int, origin: _Origin) -> bool:
    """Return whether the same version of the file has no byte after `size`."""
    return (
        response.status_code == 416
        and size == origin.total
        and response.headers.get("Content-Range") == f"bytes */{size}"
        and _validator(response) in (None, origin.validator)
    )


def _validator(response: requests.Response) -> str | None:
    """Return what identifies the exact version: a strong ETag, else Last-Modified."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _usable(response: requests.Response, status: int) -> requests.Response:
    """Return the response if it has this status and carries a file, else raise."""
    fault = fault_of(response, (status,))
    if fault is None:
        return response
    response.close()
    if response.status_code not in (408, 429) and response.status_code < 500:
        raise _AddressError(fault)
    error = _TransientError(fault)
    seconds = response.headers.get("Retry-After", "")  # a date is allowed too, but rare
    error.pause = min(float(seconds), _LONGEST_PAUSE) if seconds.isdecimal() else 0.0
    raise error


def _receive(response: requests.Response, part: Path, offset: int, address: str) -> int | None:
    """Write the body to `part` from `offset` on; return the announced size of the file."""
    # "bytes 5-9/10" or "10"
    announced = response.headers.get("Content-Range") or response.headers.get("Content-Length", "")
    digits = announced.rpartition("/")[2]
    total = int(digits) if digits.isdecimal() else None
    rest = (total or offset) - offset
    _check_space(part, total or 0)
    with (
        part.open("ab" if offset else "wb") as file,
        progress(f"download {part.stem}", -(-rest // _MEGABYTE), "MB") as heartbeat,
    ):
        if not offset:  # `part` was truncated on opening, so the note never describes older bytes
            origin = _Origin(address, _validator(response), total)
            _note(part).write_text(json.dumps(origin._asdict()), encoding="utf-8")
        done = 0
        try:
            for chunk in response.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                heartbeat.advance(-(-done // _MEGABYTE) - heartbeat.done)
        except requests.RequestException:
            raise _TransientError(f"connection lost after {offset + done} bytes") from None
    return total


def _check_space(part: Path, total: int) -> None:
    """Raise `UserError` unless the disk has room for the rest of `total` bytes."""
    needed = total - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise UserError(
            f"{part.parent}: {part.stem} needs {needed / _MEGABYTE:.1f} MB more, but only "
            f"{free / _MEGABYTE:.1f} MB are free; make room, or link the folder to another disk"
        )
