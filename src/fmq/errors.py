"""The exceptions that reach a person as a single line."""


class UserError(Exception):
    """Something the user can mend: the message says what, where, what is allowed, what to do."""


class Preempted(Exception):
    """The process was asked to stop (SIGTERM), and its progress is kept."""
