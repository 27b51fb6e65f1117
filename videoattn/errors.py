"""The two errors that the command line turns into exit codes, and the words for a value that is none of those known."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """A value that the user gave is wrong; the message holds the value and what would be right. Exit code 2."""


class RunError(RuntimeError):
    """A run cannot go on (unreadable data, a NaN loss, a full disk); the message says where it stands. Exit code 1."""


def unknown(what: str, value: object, choices: Iterable[object]) -> InputError:
    """The error for a value that is none of the choices: it lists all of them, and before them the nearest to a text.

    raise unknown("structure", structure, STRUCTURES)
    """
    names = [str(choice) for choice in choices]
    texts = (value, value.lower(), value.upper()) if isinstance(value, str) else ()
    near = [name for text in texts for name in difflib.get_close_matches(text, names, n=1)]
    hint = f" (did you mean {near[0]}?)" if near else ""
    return InputError(f"unknown {what} {value!r}{hint}; choose from {', '.join(names)}")
