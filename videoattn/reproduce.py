"""`videoattn reproduce`: execute a paper's notebook with checked parameters and leave it in the folder of its run."""

import logging
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError, strip_color

from videoattn.errors import InputError, RunError
from videoattn.locations import repository
from videoattn.papers import parts
from videoattn.progress import Progress, Watch
from videoattn.published import summary
from videoattn.training.by_parameters import study_of
from videoattn.training.checkpoint import write_atomically
from videoattn.training.parameters import Parameters

EXECUTED = "notebook.ipynb"
UNFINISHED = "notebook-unfinished.ipynb"
AGAIN = "the same command continues where this one stopped"


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
    kept = f"what is there of the notebook: {_shown(unfinished)}; {AGAIN}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Watch():
            executed = _papermill(notebook, unfinished, parameters)
    except PapermillExecutionError as error:
        raise _failure(error, kept) from error
    except OSError as error:
        raise RunError(f"{_shown(folder)} could not be written: {error}") from error
    except RuntimeError as error:
        raise RunError(f"the notebook's kernel died, perhaps for lack of memory ({error})\n{kept}") from error
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    if any(output.output_type == "error" for output in outputs):  # papermill takes a SystemExit for success
        raise RunError(f"a cell of the notebook ended it before its end (SystemExit)\n{kept}")
    executed.metadata.papermill |= {"input_path": notebook.name, "output_path": EXECUTED}  # no paths of this machine
    write_atomically(folder / EXECUTED, nbformat.writes(executed).encode())
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
        return RunError(f"{error.evalue}\n{kept}")
    reason = error.evalue.partition("\n")[0]
    last = [f"    {line}" for line in strip_color("\n".join(error.traceback)).splitlines()[-12:]]
    return RunError("\n".join([f"cell [{error.exec_count}] failed: {error.ename}: {reason}", *last, kept]))


def _shown(path: Path) -> Path:
    """The path as it is shortest from the current folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
