"""The downloader against a real HTTP server on this machine, which misbehaves on request."""

import errno
import hashlib
import json
import os
import shutil
import socket
import struct
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import numpy as np
import pytest
from helpers.refusals import refusal

from fmq.base.errors import UserError
from fmq.data import download as module
from fmq.data.download import Fetched, download
from fmq.data.http_faults import probe

BODY = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(280_000)
MODIFIED = "Last-Modified"


def digest(body):
    return hashlib.sha256(body).hexdigest()


@dataclass
class Answer:
    """What the server does with one request."""

    body: bytes = BODY
    status: int = 200
    etag: str | None = '"one"'
    kind: str = "application/octet-stream"
    headers: dict = field(default_factory=dict)
    ranges: bool = True  # knows Range and If-Range
    heeds_if_range: bool = True
    shift: int = 0  # how much earlier than asked the range starts
    cut: int | None = None  # closes the connection after so many bytes of the body
    reset: bool = False  # and does that with a reset
    dropped: bool = False  # resets the connection without a word
    piece: int | None = None  # answers a range with so many bytes at most
    stall: float = 0.0  # seconds between headers and body
    chunked: bool = False  # announces no length
    head: int = 200  # status of a HEAD request


class Request(NamedTuple):
    method: str
    path: str
    headers: dict
    sent: bytes


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.reply()

    def do_GET(self):
        self.reply()

    def reply(self):
        answers = self.server.answers[self.path.partition("?")[0]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.close_connection = True
        status, start = answer.status, 0
        asked = self.headers.get("Range")
        if self.command == "HEAD":
            status = answer.head
        elif status == 200 and answer.ranges and asked:
            same = self.headers.get("If-Range") in (None, answer.etag, answer.headers.get(MODIFIED))
            if same or not answer.heeds_if_range:
                start = int(asked.removeprefix("bytes=").split("-")[0]) - answer.shift
                status = 206 if start < len(answer.body) else 416
        body = b"" if self.command == "HEAD" else answer.body[start:]
        if status == 416:
            body = b"<p>no such range</p>"
        if status == 206:
            body = body[: answer.piece]
        sent = body[: answer.cut]
        self.server.requests.append(Request(self.command, self.path, dict(self.headers), sent))
        if answer.dropped:
            self.abort()
            return
        self.send_response(status)
        if status == 206:
            last = start + len(body) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(answer.body)}")
        elif status == 416:
            self.send_header("Content-Range", f"bytes */{len(answer.body)}")
        if answer.etag:
            self.send_header("ETag", answer.etag)
        self.send_header("Content-Type", answer.kind)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        time.sleep(answer.stall)
        self.wfile.write(sent)
        if answer.reset:
            self.abort()

    def abort(self):
        time.sleep(0.1)  # a reset throws away what the client has not read yet
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())  # past the server's orderly shutdown

    def log_message(self, *_):
        pass


class Site(ThreadingHTTPServer):
    """Gives the answers of a path in turn, the last one for ever, and records the requests."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = defaultdict(list)
        self.requests = []

    def add(self, path, *answers):
        self.answers[path] = list(answers)
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, *_):
        pass  # a client that hangs up early is a part of some tests


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def site():
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def dead():
    """An address that is bound, but where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}/file"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "file.npz"


def accept(_):
    """A content check that finds nothing wrong."""


def fetch(path, *addresses, sha256=None, check=accept, attempts=4):
    return download(addresses, path, sha256=sha256, check=check, attempts=attempts, pause=0.001)


def fail(path, *addresses, **options):
    """The one line of a failure, after which there is no file, or the older one as it was."""
    before = path.read_bytes() if path.exists() else None
    message = refusal(fetch, path, *addresses, **options)
    assert (path.read_bytes() if path.exists() else None) == before
    return message


def names(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def whole(path, body=BODY):
    """Whether the file is right and nothing else is left."""
    return path.read_bytes() == body and names(path) == ["file.npz"]


def leave_part(path, address, body, validator='"one"'):
    """What an earlier process left when it was killed."""
    path.parent.mkdir(exist_ok=True)
    path.with_name("file.npz.part").write_bytes(body)
    note = {"address": address, "validator": validator, "total": len(BODY)}
    path.with_name("file.npz.part.json").write_text(json.dumps(note))


def test_a_file_is_fetched_and_described(site, path):
    address = site.add("/file", Answer())
    seen = []
    fetched = fetch(path, address, sha256=digest(BODY), check=lambda part: seen.append(part))
    assert fetched == Fetched(address, len(BODY), digest(BODY))
    assert whole(path)
    assert seen == [path.with_name("file.npz.part")]
    assert site.requests[0].headers["Accept-Encoding"] == "identity"
    assert "Range" not in site.requests[0].headers


def test_an_older_file_is_replaced(site, path):
    path.parent.mkdir()
    path.write_bytes(b"old")
    fetch(path, site.add("/file", Answer()))
    assert whole(path)


def start(request):
    """Where in the file the answer to a request begins."""
    return int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


# The client reads in pieces of 64 KiB, and of a piece that breaks off nothing is kept.
CUTS = (0, 1, 65_535, 65_536, 65_537, 131_072, 262_144, 299_999)
DATED = {"etag": 'W/"one"', "headers": {MODIFIED: "Mon, 01 Jan 2024 00:00:00 GMT"}}


@pytest.mark.parametrize(
    ("answers", "starts", "validator"),
    [
        *(([Answer(cut=cut), Answer()], [0, cut - cut % 65_536], '"one"') for cut in CUTS),
        ([Answer(cut=70_000), Answer(cut=70_000), Answer()], [0, 65_536, 131_072], '"one"'),
        ([Answer(cut=70_000), Answer(piece=100_000), Answer()], [0, 65_536, 165_536], '"one"'),
        ([Answer(cut=70_000, **DATED), Answer(**DATED)], [0, 65_536], DATED["headers"][MODIFIED]),
        ([Answer(cut=70_000, etag=None), Answer(etag=None)], [0, 0], None),
    ],
)
def test_wherever_a_body_is_cut_off_the_rest_is_fetched(site, path, answers, starts, validator):
    """If it is still the same version, by a strong ETag or else by its date."""
    fetch(path, site.add("/file", *answers), sha256=digest(BODY))
    assert whole(path)
    assert [start(request) for request in site.requests] == starts
    for request in site.requests:
        assert BODY[start(request) :].startswith(request.sent)
        assert request.headers.get("If-Range") == (validator if start(request) else None)


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(dropped=True), Answer()],
        [Answer(status=503), Answer(status=429), Answer()],
        [Answer(chunked=True)],
    ],
    ids=["fails before an answer", "busy", "announces no length"],
)
def test_the_file_comes_in_the_end(site, path, answers):
    assert fetch(path, site.add("/file", *answers)).bytes == len(BODY)
    assert whole(path)
    assert len(site.requests) == len(answers)


def test_a_reset_connection_is_resumed(site, path):
    fetch(path, site.add("/file", Answer(cut=150_000, reset=True), Answer()))
    assert whole(path)
    assert 0 < start(site.requests[1]) <= 150_000


def test_a_silent_server_times_out_and_is_asked_again(site, path, monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT", (1.0, 1.0))
    fetch(path, site.add("/file", Answer(stall=2.5), Answer()))
    assert whole(path)
    assert len(site.requests) == 2


def test_the_part_of_an_earlier_process_is_resumed(site, path):
    address = site.add("/file", Answer(cut=200_000), Answer())
    fail(path, address, attempts=1)
    assert names(path) == ["file.npz.part", "file.npz.part.json"]
    fetch(path, address, sha256=digest(BODY))
    assert whole(path)
    assert site.requests[1].sent == BODY[196_608:]


def test_a_part_of_any_length_is_resumed_in_the_right_place(site, path):
    address = site.add("/file", Answer())
    for size in (1, 77_777, 299_999):
        leave_part(path, address, BODY[:size])
        fetch(path, address)
        assert whole(path)
        assert start(site.requests[-1]) == size


@pytest.mark.parametrize("heeds", [True, False], ids=["heeds If-Range", "ignores If-Range"])
@pytest.mark.parametrize("body", [OTHER, OTHER[:100] + BODY[100:]], ids=["other size", "same"])
def test_a_file_that_changed_meanwhile_starts_anew(site, path, heeds, body):
    changed = Answer(body=body, etag='"two"', heeds_if_range=heeds)
    fetch(path, site.add("/file", Answer(cut=200_000), changed))
    assert whole(path, body)
    assert site.requests[1].headers["If-Range"] == '"one"'


@pytest.mark.parametrize(
    "answer",
    [Answer(ranges=False), Answer(shift=10), Answer(body=OTHER), Answer(body=BODY[:100])],
    ids=["ignores Range", "another range", "another size", "range not satisfiable"],
)
def test_what_does_not_continue_the_part_starts_anew(site, path, answer):
    address = site.add("/file", answer)
    leave_part(path, address, bytes(200_000))
    fetch(path, address)
    assert whole(path, answer.body)
    assert len(site.requests) == (2 if answer.ranges else 1)
    assert "Range" in site.requests[0].headers
    assert site.requests[-1].sent == answer.body


def test_a_part_that_is_complete_is_only_checked(site, path):
    """As it is left by a process that is killed while it checks the file."""
    address = site.add("/file", Answer())
    leave_part(path, address, BODY)
    fetch(path, address)
    assert whole(path)
    assert [request.sent for request in site.requests] == [b"<p>no such range</p>"]


def test_a_part_that_is_complete_and_wrong_starts_anew(site, path):
    address = site.add("/file", Answer())
    leave_part(path, address, bytes(len(BODY)))
    fetch(path, address, sha256=digest(BODY))
    assert whole(path)
    assert site.requests[-1].sent == BODY


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"address": 1, "validator": 2, "total": 3}'])
def test_a_part_with_a_broken_note_starts_anew(site, path, note):
    address = site.add("/file", Answer())
    leave_part(path, address, OTHER[:1000])
    path.with_name("file.npz.part.json").write_text(note)
    fetch(path, address)
    assert whole(path)
    assert "Range" not in site.requests[0].headers


def test_the_part_of_one_address_is_not_continued_from_another(site, path):
    first = site.add("/first", Answer(cut=70_000))
    mirror = site.add("/mirror", Answer(body=OTHER))
    assert fetch(path, first, mirror, attempts=1).address == mirror
    assert whole(path, OTHER)
    assert "Range" not in site.requests[-1].headers


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404),
        Answer(status=403),
        Answer(body=b"<html>Log in first</html>", kind="text/html; charset=utf-8"),
        Answer(body=OTHER),
        Answer(headers={"Content-Encoding": "gzip"}),
    ],
    ids=["404", "403", "web page", "other content", "compressed"],
)
def test_the_mirror_helps_at_once_where_the_first_address_is_wrong(site, path, answer):
    first, mirror = site.add("/first", answer), site.add("/mirror", Answer())
    assert fetch(path, first, mirror, sha256=digest(BODY)).address == mirror
    assert whole(path)
    assert [request.path for request in site.requests] == ["/first", "/mirror"]


def test_a_server_that_names_a_pause_gets_it(site, path, monkeypatch):
    naps = []
    monkeypatch.setattr(time, "sleep", naps.append)
    busy = Answer(status=503, headers={"Retry-After": "1"})
    fetch(path, site.add("/file", busy, Answer()))
    assert max(naps) >= 1


def test_a_server_busy_for_ever_is_left_for_the_mirror(site, path):
    first, mirror = site.add("/first", Answer(status=503)), site.add("/mirror", Answer())
    assert fetch(path, first, mirror).address == mirror
    assert [request.path for request in site.requests] == ["/first"] * 4 + ["/mirror"]


def test_where_every_address_fails_each_one_is_named_with_its_reason(site, path, dead):
    busy, gone = site.add("/busy", Answer(status=503)), site.add("/gone", Answer(status=404))
    page = site.add("/page", Answer(kind="text/html"))
    cut = site.add("/cut", Answer(cut=10))
    message = fail(path, busy, gone, page, cut, dead, "nonsense", attempts=2)
    assert f"{path}: " in message
    assert f"{busy}: status 503 Service Unavailable;" in message
    assert f"{gone}: status 404 Not Found;" in message
    assert f"{page}: a web page instead of a file;" in message
    assert f"{cut}: connection lost after 0 bytes;" in message
    assert f"{dead}: no connection;" in message
    assert "nonsense: not a usable address" in message
    assert "check the connection, or put a copy into data_dir" in message


def test_a_part_outlives_an_address_that_fails_before_its_body(site, path):
    gone = site.add("/gone", Answer(status=404))
    address = site.add("/file", Answer(status=503), Answer(kind="text/html"), Answer())
    leave_part(path, address, BODY[:1000])
    fail(path, gone, address)
    fetch(path, address)
    assert whole(path)
    assert site.requests[-1].sent == BODY[1000:]


def test_other_bytes_than_recorded_are_refused(site, path):
    message = fail(path, site.add("/file", Answer(body=OTHER)), sha256=digest(BODY))
    assert digest(OTHER)[:16] in message
    assert digest(BODY)[:16] in message
    assert names(path) == []
    assert len(site.requests) == 1


def test_a_wrong_part_is_found_by_the_checksum_and_the_file_fetched_anew(site, path):
    address = site.add("/file", Answer())
    leave_part(path, address, OTHER[:1000])
    fetch(path, address, sha256=digest(BODY))
    assert whole(path)
    assert "Range" not in site.requests[-1].headers


def test_content_that_fails_the_check_is_refused(site, path):
    def check(part):
        if part.read_bytes() == OTHER:
            raise UserError("no npz file")

    wrong = site.add("/wrong", Answer(body=OTHER))
    assert f"{wrong}: no npz file" in fail(path, wrong, check=check)
    assert names(path) == []
    assert fetch(path, wrong, site.add("/right", Answer()), check=check).bytes == len(BODY)
    assert whole(path)


@pytest.mark.parametrize(
    "answer",
    [Answer(status=404), Answer(cut=200_000), Answer(body=OTHER), Answer(kind="text/html")],
)
def test_a_failure_leaves_an_older_file_untouched(site, path, answer):
    path.parent.mkdir()
    path.write_bytes(b"old")
    fail(path, site.add("/file", answer), sha256=digest(BODY), attempts=1)
    assert path.read_bytes() == b"old"


def test_too_little_disk_is_told_before_anything_is_written(site, path, monkeypatch):
    # A real full disk needs a mount; the module asks for nothing but this number.
    free = shutil.disk_usage(path.parent.parent)._replace(free=100_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    first, mirror = site.add("/first", Answer()), site.add("/mirror", Answer())
    message = fail(path, first, mirror)
    assert "needs 0.3 MB more, but only 0.1 MB are free" in message
    assert "make room" in message
    assert names(path) == []
    assert len(site.requests) == 1
    leave_part(path, first, BODY[:250_000])  # 50,000 bytes more fit
    fetch(path, first, mirror)
    assert whole(path)


def test_a_disk_that_fills_up_meanwhile_is_one_line(site, path):
    path.parent.mkdir()
    path.with_name("file.npz.part").symlink_to("/dev/full")
    message = fail(path, site.add("/file", Answer()))
    assert os.strerror(errno.ENOSPC) in message
    assert len(site.requests) == 1


def test_a_folder_that_cannot_be_made_is_one_line(site, tmp_path):
    (tmp_path / "file").write_text("")
    told = refusal(fetch, tmp_path / "file" / "file.npz", site.add("/file", Answer()))
    assert "cannot be written" in told


def test_progress_and_retries_are_told(site, path, capsys):
    fetch(path, site.add("/file", Answer(status=503), Answer()))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("download file.npz: status 503 Service Unavailable; retrying in ")
    assert lines[-1].startswith("download file.npz: 1/1 MB, ")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(), None),
        (Answer(head=405), None),
        (Answer(head=403), None),
        (Answer(head=404), "status 404 Not Found"),
        (Answer(head=405, status=500), "status 500 Internal Server Error"),
        (Answer(kind="text/html"), "a web page instead of a file"),
    ],
)
def test_probe(site, answer, reason):
    assert probe(site.add("/file", answer), timeout=5.0) == reason
    if answer.head in (403, 405):
        assert site.requests[1].headers["Range"] == "bytes=0-0"


def test_probe_of_no_server(dead):
    assert probe(dead, timeout=5.0) == "no connection"
    assert "not a usable address" in str(probe("nonsense", timeout=5.0))
