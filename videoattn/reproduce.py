"""`videoattn reproduce`: train and test what a paper compares, then execute its notebook, which finds the record."""

import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError, strip_color

from videoattn.engine.experiment import studies
from videoattn.engine.parameters import RUNTIME, Parameters
from videoattn.engine.study import make_study
from videoattn.errors import RunError
from videoattn.io import write_atomically
from videoattn.locations import repository
from videoattn.progress import Progress, say
from videoattn.published import summary

EXECUTED = "notebook.ipynb"
UNFINISHED = "notebook-unfinished.ipynb"
AGAIN = "the same command continues where this one stopped"
SHOWN = 12  # last lines of a cell's traceback


def reproduce(parameters: Parameters) -> None:
    """Train and test in this process, execute the notebook of the paper, print the results and where they lie.

    Raises:
        InputError: a parameter is not for this paper, or the data set is not as it should be.
        RunError: a training or the notebook failed; what is finished is kept.
    """
    chosen = parameters.resolved()
    if chosen.profile != parameters.profile:
        say(f"PROFILE {chosen.profile}: this machine has {'' if chosen.profile == 'full' else 'no '}CUDA")
    found = [own for own in (make_study(chosen, name) for name in studies(chosen.paper)) if own]
    folders = [study.folder for study in found]
    say(f"{chosen.paper} goes into {' and '.join(str(_shown(folder)) for folder in folders)}")
    try:
        for study in found:
            study.run()
        notebook = repository() / "notebooks" / f"{chosen.paper}.ipynb"
        values = {name: value for name, value in chosen.changed().items() if name not in RUNTIME}
        execute(notebook, folders[0], values)
    except KeyboardInterrupt:
        print(f"videoattn: stopped; {AGAIN}", file=sys.stderr)
        raise
    for folder in folders:
        print(f"\n{summary(folder)}")


def execute(notebook: Path, folder: Path, parameters: Mapping[str, str | int | bool]) -> Path:
    """Execute a notebook with papermill and leave it in `folder` as notebook.ipynb, only if it ran to its end.

    What is there of a notebook that did not end stays in `folder` under another name. The kernel is gone when this
    returns or raises.

    Returns:
        The path of the executed notebook.

    Raises:
        RunError: a cell failed, the kernel died, or nothing could be written.
    """
    if not notebook.is_file():
        raise RunError(f"there is no notebook {_shown(notebook)}")
    unfinished = folder / UNFINISHED
    kept = f"what is there of the notebook: {_shown(unfinished)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        executed = _papermill(notebook, unfinished, parameters)
    except PapermillExecutionError as error:
        last = strip_color("\n".join(error.traceback)).splitlines()[-SHOWN:]
        lines = [f"cell [{error.exec_count}] failed: {error.ename}: {error.evalue.partition(chr(10))[0]}", *last]
        raise RunError("\n    ".join(lines) + f"\n{kept}") from error
    except OSError as error:
        where = _shown(Path(error.filename or folder))
        raise RunError(f"{where} could not be written: {error.strerror or error}; {AGAIN}") from error
    except RuntimeError as error:
        raise RunError(f"the notebook's kernel died, perhaps for lack of memory ({error})\n{kept}; {AGAIN}") from error
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    if any(output.output_type == "error" for output in outputs):  # papermill takes a SystemExit for success
        raise RunError(f"a cell of the notebook ended it before its end (SystemExit)\n{kept}")
    executed.metadata.papermill |= {"input_path": notebook.name, "output_path": EXECUTED}  # no paths of this machine
    write_atomically(folder / EXECUTED, nbformat.writes(executed).encode())
    unfinished.unlink()
    return folder / EXECUTED


def _papermill(notebook: Path, output: Path, parameters: Mapping[str, str | int | bool]) -> nbformat.NotebookNode:
    """Execute a notebook, showing at which cell it is."""
    progress = Progress("notebook", len(nbformat.read(notebook, as_version=4).cells) + bool(parameters), what="cell")
    try:
        return papermill.execute_notebook(
            _literal(notebook),
            _literal(output),
            dict(parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
            cwd=notebook.parent,
            on_cell_start=lambda cell, cell_index: progress.advance(cell_index + 1),
        )
    finally:
        progress.close()


def _literal(path: Path) -> str:
    """A path as papermill takes it, which would fill in what stands in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _shown(path: Path) -> Path:
    """The path as it is shortest from the current folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
