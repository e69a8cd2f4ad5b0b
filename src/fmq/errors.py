"""The one exception that reaches a person as a single line."""


class UserError(Exception):
    """Something the user can mend: the message says what, where, what is allowed, what to do."""
