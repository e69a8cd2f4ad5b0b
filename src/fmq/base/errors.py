"""Exceptions that the command line reports as a single line."""


class UserError(Exception):
    """An error that the user can fix.

    The message says what is wrong, where, what is allowed and what to do.
    """


class Preempted(BaseException):
    """The process was asked to stop (SIGTERM) and has saved its progress.

    A signal handler raises it, so it can surface anywhere. It derives from `BaseException` so that
    `except Exception` does not catch it.
    """
