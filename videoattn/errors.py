"""The two errors that the command line turns into exit codes."""


class InputError(ValueError):
    """A value that the user gave is wrong; the message holds the value and what would be right. Exit code 2."""


class RunError(RuntimeError):
    """A run cannot go on (unreadable data, a NaN loss, a full disk); the message says where it stands. Exit code 1."""
