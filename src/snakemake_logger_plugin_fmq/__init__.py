"""A Snakemake logger that shows the progress of a study on one line.

Snakemake finds loggers by their package name; `profiles/default` selects this one. With `-n`, `-p`,
`--verbose`, `--quiet` or `--debug-dag`, everything is shown as by Snakemake itself.
"""

import logging
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from snakemake.logging import ColorizingTextHandler, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from fmq.base.files import lend_cache
from fmq.tools.status.estimate import Running, seconds_left
from fmq.tools.status.logs import read_log
from snakemake_logger_plugin_fmq.words import closing, job_name, log_tail, progress_line

TERMINAL_SECONDS = 5.0
"""Seconds between two reads of the running jobs' logs, as with `fmq status --watch`."""

WIDTH = 100
"""Width in columns if the output is not a terminal or the terminal does not report its width."""

NOISE = (
    *("Assuming unrestricted", "Building DAG", "Using shell", "Conda environments: ignored"),
    *("Provided ", "Select jobs", "Shutting down", "Elapsed time"),
    *("SLURM run ID", "Cleaning up SLURM", "Job "),  # "Job 7 has been submitted with SLURM jobid 9"
)
"""Prefixes of messages that are of no use to a person who waits for a study."""

INTERRUPTED = "Terminating processes on user request"
"""Prefix of Snakemake's message on Ctrl-C."""


class Job(NamedTuple):
    """A started job and its start time; `files` are its outputs, or the inputs of a target rule."""

    rule: str
    name: str
    logs: list[str]
    files: list[str]
    began: float


def _left_by_log(job: Job) -> float | None:
    """Return the seconds left according to the job's log; None if it is of an earlier attempt."""
    log = read_log(Path(job.logs[0])) if job.logs else None
    if log is None or log.heartbeat is None or log.stat.st_mtime < job.began:
        return None
    return log.heartbeat.seconds_left


class LogHandler(LogHandlerBase):
    """A log handler that counts jobs and passes warnings and errors to Snakemake's handler."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False  # Snakemake adds its own filter
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        lend_cache()  # Snakemake starts its logger first
        settings: Any = self.common_settings
        self.stream = sys.stdout if settings.stdout else sys.stderr
        self.plain = any(
            (settings.dryrun, settings.printshellcmds, settings.verbose, settings.debug_dag)
        ) or bool(settings.quiet)
        formatter = DefaultFormatter(settings.quiet, settings.show_failed_logs and self.plain)
        self.snakemakes = ColorizingTextHandler(settings.nocolor, self.stream, formatter)
        self.terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.called_from = Path.cwd()  # with `--directory`, jobs run elsewhere
        self.waiting: Counter[str] = Counter()
        self.running: dict[int, Job] = {}
        self.failed: dict[int, Job] = {}
        self.seen: defaultdict[str, list[float]] = defaultdict(list)
        self.done = self.total = 0
        self.left: float | None = None
        self.line = ""  # as shown on the terminal
        self.files: list[str] = []
        self.began: float | None = None  # None until the first job
        self.interrupted = False
        self.ended = threading.Event()
        self.turn = threading.Lock()  # between Snakemake's thread and `_watch`

    def emit(self, record: logging.LogRecord) -> None:
        """Show messages worth a line of their own, and the progress line below them."""
        if self.plain:
            self.snakemakes.emit(record)
            return
        event = getattr(record, "event", None)
        try:
            with self.turn:
                self._count(event, record)
                if self._matters(event, record):
                    self._erase()
                    self._show(event, record)
                if self.terminal:
                    self._draw()
        except Exception:  # a display error must not end a study
            self.handleError(record)

    def close(self) -> None:
        """Show the outcome of the study, once; both Snakemake and Python call this at exit."""
        with self.turn:
            if self.began is not None and not self.ended.is_set():
                self._erase()
                seconds = time.time() - self.began
                files = [self._from_here(file) for file in self.files]
                failed = [
                    f"failed: {job.name} ({', '.join(map(self._from_here, job.logs))})"
                    for job in self.failed.values()
                ]
                self._say(closing(self.done, self.total, seconds, files, failed))
            self.ended.set()
        super().close()

    def _count(self, event: LogEvent | None, record: Any) -> None:
        """Update the job counts from a Snakemake event."""
        if event is LogEvent.RUN_INFO:
            self.waiting.update({rule: n for rule, n in record.stats.items() if rule != "total"})
            self.total = record.stats["total"]
        elif event is LogEvent.JOB_INFO:
            self._start(record)
        elif event is LogEvent.JOB_FINISHED and record.job_id in self.running:
            job = self.running.pop(record.job_id)
            self.seen[job.rule].append(time.time() - job.began)
            self.files = job.files
        elif event is LogEvent.JOB_ERROR and record.jobid in self.running:
            job = self.running.pop(record.jobid)
            self.waiting[job.rule] += 1
            if not self.interrupted:
                self.failed[record.jobid] = job
        elif event is LogEvent.PROGRESS:
            self.done, self.total = record.done, record.total
        elif event is None and record.msg.startswith(INTERRUPTED):
            self.interrupted = True

    def _start(self, record: Any) -> None:
        """Record the start of a job; announce the study and start `_watch` with the first one."""
        self.failed.pop(record.jobid, None)  # it is being retried
        self.waiting[record.rule_name] -= 1
        self.running[record.jobid] = Job(
            record.rule_name,
            job_name(record.rule_name, record.wildcards),
            record.log,
            record.output or record.input,
            time.time(),
        )
        if self.began is None:
            self.began = time.time()
            results = self._from_here("results")
            option = "" if results == "results" else f" --results {results}"
            self._say(f"{self.total} jobs; `fmq status{option}` has the details")
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Update the estimate and the line regularly, until the end."""
        while not self.ended.wait(self._pause()):
            with self.turn:
                if not self.ended.is_set():
                    self._estimate()
                    self._draw()

    def _pause(self) -> float:
        """Return seconds to the next update: a few on a terminal, 1 min to 1 h in a file."""
        passed = time.time() - (self.began or 0.0)
        return TERMINAL_SECONDS if self.terminal else min(max(60.0, passed / 20), 3600.0)

    def _estimate(self) -> None:
        now = time.time()
        running = [
            Running(job.rule, now - job.began, _left_by_log(job)) for job in self.running.values()
        ]
        self.left = seconds_left(+self.waiting, running, self.seen)

    def _draw(self) -> None:
        """Show the progress line; on a terminal it replaces the previous one."""
        if self.began is None or self.ended.is_set():
            return
        columns = os.get_terminal_size(self.stream.fileno()).columns if self.terminal else 0
        names = [job.name for job in self.running.values()]
        line = progress_line(self.done, self.total, self.left, names, (columns or WIDTH) - 1)
        if not self.terminal:
            self._say(f"{time.strftime('%H:%M')} {line}")
        elif line != self.line:
            self._erase()
            self.stream.write(line)
            self.stream.flush()
            self.line = line

    def _erase(self) -> None:
        """Erase the progress line from the terminal."""
        if self.line:
            self.stream.write("\r\033[K")
            self.line = ""

    def _say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def _matters(self, event: LogEvent | None, record: logging.LogRecord) -> bool:
        """Return whether to show a record: messages, warnings and errors, except noise.

        Errors of jobs that Ctrl-C ended are not shown, because they are no failures.
        """
        if record.levelno > logging.INFO:
            return not (self.interrupted and event)
        return event is None and not record.msg.startswith(NOISE)

    def _show(self, event: LogEvent | None, record: Any) -> None:
        """Show a record as Snakemake does; a failed job without inputs but with its log's end."""
        if event is not LogEvent.JOB_ERROR:
            self.snakemakes.emit(record)
            return
        shorter = {"input": [], "msg": record.rule_msg}
        self.snakemakes.emit(logging.makeLogRecord(record.__dict__ | shorter))
        if self.common_settings.show_failed_logs:
            for log in record.log:
                self._say(log_tail(Path(log)))

    def _from_here(self, file: str) -> str:
        """Return the path as seen from where Snakemake was called."""
        return os.path.relpath(file, self.called_from)
