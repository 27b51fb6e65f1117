"""`videoattn reproduce`: execute a paper's notebook with checked parameters and leave it in the folder of its run."""

import logging
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError, strip_color

from videoattn.engine.by_parameters import study_of
from videoattn.engine.parameters import Parameters
from videoattn.errors import InputError, RunError
from videoattn.io import write_atomically
from videoattn.locations import repository
from videoattn.papers import parts
from videoattn.progress import Progress, Watch
from videoattn.published import summary

EXECUTED = "notebook.ipynb"
UNFINISHED = "notebook-unfinished.ipynb"
AGAIN = "the same command continues where this one stopped"
FULL = re.compile(r"(\[Errno \d+\] )?(No space left on device|Disk quota exceeded)|database or disk is full")
# What may be otherwise next time, in the words of our errors, PyTorch's and Python's.
PASSING = re.compile(
    r"disk is full|out of memory|want of memory|can't allocate memory|killed by signal|"
    r"^(MemoryError|BrokenProcessPool|KeyboardInterrupt)\b",
    re.IGNORECASE,
)


def main_reproduce(parameters: Parameters) -> None:
    """Execute the notebook of `parameters.paper`; print the results and where they lie.

    Raises:
        InputError: the notebook refused a value.
        RunError: the notebook failed.
    """
    chosen = parameters.resolved()
    if chosen.profile != parameters.profile:
        print(f"PROFILE {chosen.profile}: this machine has {'' if chosen.profile == 'gpu' else 'no '}CUDA")
    folders = [own.folder for own in (study_of(chosen, part) for part in parts(chosen.paper)) if own]
    print(f"{chosen.paper} goes into {' and '.join(str(_shown(folder)) for folder in folders)}", flush=True)
    try:
        execute(repository() / "notebooks" / f"{chosen.paper}.ipynb", folders[0], chosen.changed())
    except KeyboardInterrupt:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the traceback of the cell that was cut short
        print(f"videoattn: stopped; {AGAIN}", file=sys.stderr)
        raise
    for folder in folders:
        print(f"\n{summary(folder)}")


def execute(notebook: Path, folder: Path, parameters: Mapping[str, str | int | bool]) -> Path:
    """Execute a notebook with papermill and leave it in `folder` as notebook.ipynb, only if it ran to its end.

    Progress is shown on stderr. What is there of a notebook that did not end stays in `folder` under another name. The
    kernel is gone when this returns or raises.

    Returns:
        The path of the executed notebook.

    Raises:
        InputError: the notebook refused a value.
        RunError: a cell failed, the kernel died, or nothing could be written.
    """
    if not notebook.is_file():
        raise RunError(f"there is no notebook {_shown(notebook)}")
    unfinished = folder / UNFINISHED
    kept = f"what is there of the notebook: {_shown(unfinished)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Watch():
            executed = _papermill(notebook, unfinished, parameters)
    except PapermillExecutionError as error:
        raise _failure(error, kept) from error
    except OSError as error:
        if FULL.search(str(error)):
            raise RunError(f"the disk is full: {_shown(Path(error.filename or folder))}; {AGAIN}") from error
        raise RunError(f"{_shown(folder)} could not be written: {error}") from error
    except RuntimeError as error:
        raise RunError(f"the notebook's kernel died, perhaps for lack of memory ({error})\n{kept}; {AGAIN}") from error
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    if any(output.output_type == "error" for output in outputs):  # papermill takes a SystemExit for success
        raise RunError(f"a cell of the notebook ended it before its end (SystemExit)\n{kept}")
    executed.metadata.papermill |= {"input_path": notebook.name, "output_path": EXECUTED}  # no paths of this machine
    try:
        write_atomically(folder / EXECUTED, nbformat.writes(executed).encode())
    except RunError as error:
        raise RunError(_told(str(error), kept)) from error
    unfinished.unlink()
    return folder / EXECUTED


def _papermill(notebook: Path, output: Path, parameters: Mapping[str, str | int | bool]) -> nbformat.NotebookNode:
    """Execute a notebook, showing at which cell it is, under which heading."""
    cells = len(nbformat.read(notebook, as_version=4).cells) + bool(parameters)
    progress = Progress("notebook", cells, what="cell")
    section = ""

    def started(cell: nbformat.NotebookNode, cell_index: int) -> None:
        nonlocal section
        heading = re.match(r"#+ (.*)", cell.source) if cell.cell_type == "markdown" else None
        section = heading[1] if heading else section
        progress.advance(cell_index + 1, section)

    return papermill.execute_notebook(
        _literal(notebook),
        _literal(output),
        dict(parameters),
        kernel_name="python3",
        language="python",
        progress_bar=False,
        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
        cwd=notebook.parent,
        on_cell_start=started,
    )


def _literal(path: Path) -> str:
    """A path as papermill takes it, which would fill in what stands in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _failure(error: PapermillExecutionError, kept: str) -> InputError | RunError:
    """What is told of a cell's exception: our own errors by their message, others by the end of their traceback."""
    if error.ename == InputError.__name__:
        return InputError(error.evalue)
    if error.ename == RunError.__name__:
        return RunError(_told(error.evalue, kept))
    reason = f"{error.ename}: {error.evalue.partition(chr(10))[0]}"
    last = [] if FULL.search(reason) else strip_color("\n".join(error.traceback)).splitlines()[-12:]
    lines = [f"cell [{error.exec_count}] failed: {_in_words(reason)}", *(f"    {line}" for line in last)]
    return RunError("\n".join([*lines, _and_again(reason, kept)]))


def _told(text: str, kept: str) -> str:
    """The message of an error of ours, with what is kept."""
    return f"{_in_words(text)}\n{_and_again(text, kept)}"


def _in_words(text: str) -> str:
    return FULL.sub("the disk is full", text)


def _and_again(reason: str, kept: str) -> str:
    """What is kept, and that the same command goes on, where that is true and has not been said."""
    passing = PASSING.search(_in_words(reason)) and "the same command goes on" not in reason
    return f"{kept}; {AGAIN}" if passing else kept


def _shown(path: Path) -> Path:
    """The path as it is shortest from the current folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
