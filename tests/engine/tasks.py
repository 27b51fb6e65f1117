"""Tasks for processes of their own, in a module that is quick to import."""

import os
import signal
import sys


def square(number: int) -> tuple[int, int, int]:
    """The square, the process that computed it, and how many threads it has."""
    return number**2, os.getpid(), sys.modules["torch"].get_num_threads()


def die_at_three(number: int) -> int:
    """The number itself, unless it is 3."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number
