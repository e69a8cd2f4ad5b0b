"""The exceptions that reach a person as a single line."""


class UserError(Exception):
    """Something the user can mend: the message says what, where, what is allowed, what to do."""


class Preempted(BaseException):
    """The process was asked to stop (SIGTERM), and its progress is kept.

    It comes out of a signal handler, anywhere: what handles every `Exception` has to let it by.
    """
