"""Tasks for processes of their own, in a module that is quick to import."""

import os
import signal


def square(number: int) -> tuple[int, int]:
    """The square, and the process that computed it."""
    return number**2, os.getpid()


def die_at_three(number: int) -> int:
    """The number itself, unless it is 3."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number
