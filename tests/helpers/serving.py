"""Web servers on this machine, as the publishers of files."""

import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """No line per request."""


class Hub(Quiet):
    """As much of the Hugging Face Hub as a download of a model needs.

    The repository USER/NAME is that folder, its only branch `main`; one named `gated` is gated.
    """

    def do_HEAD(self) -> None:
        """The headers of `do_GET`."""
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        """What the Hub says of a repository, and its files."""
        path = self.path.partition("?")[0].strip("/")
        parts = path.removeprefix("api/models/").split("/")
        repository, (what, revision), rest = "/".join(parts[:2]), parts[2:4], parts[4:]
        folder, commit = Path(self.directory, *parts[:2]), commit_of(repository)
        if parts[1] == "gated":
            self.answer(403, b"", {"X-Error-Code": "GatedRepo"}, body)
        elif not folder.is_dir():  # as for a private one, of which a stranger must not know
            self.answer(401, b"", {"X-Error-Code": "RepoNotFound"}, body)
        elif revision not in ("main", commit):
            self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"}, body)
        elif what == "resolve":
            content = folder.joinpath(*rest).read_bytes()
            etag = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": commit}
            self.answer(200, content, etag, body)
        else:
            files = listed(folder)
            names = [{"rfilename": file["path"]} for file in files]
            about = {"id": repository, "sha": commit, "siblings": names}
            told = about if what == "revision" else files
            self.answer(200, json.dumps(told).encode(), {}, body)

    def answer(self, code: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        """Send one answer."""
        self.send_response(code)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


def commit_of(repository: str) -> str:
    """The only commit of a repository of `Hub`."""
    return hashlib.sha1(repository.encode()).hexdigest()


def listed(folder: Path) -> list[dict[str, object]]:
    """The files of a repository, as the Hub lists them."""
    return [
        {
            "type": "file",
            "path": path.name,
            "size": path.stat().st_size,
            "oid": hashlib.sha1(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.iterdir())
    ]


@contextmanager
def serving(folder: Path, kind: type[Quiet] = Quiet) -> Iterator[str]:
    """The address of a server of the files in a folder."""
    folder.mkdir(exist_ok=True)
    handler = functools.partial(kind, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
