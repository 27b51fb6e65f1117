"""Executing a notebook: what is left behind, what is told of a failure, and that no kernel stays."""

import os
import signal
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from papermill.exceptions import PapermillExecutionError

from videoattn import cli
from videoattn.errors import InputError, RunError
from videoattn.reproduce import AGAIN, EXECUTED, UNFINISHED, execute


@pytest.fixture(autouse=True)
def _own_history(monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


@pytest.fixture
def notebook(tmp_path):
    """A function that writes a notebook with a parameter cell and the given one."""

    def write(*sources):
        parameters = new_code_cell("SEEDS = 0", metadata={"tags": ["parameters"]})
        cells = [new_markdown_cell("## 10 Training"), *map(new_code_cell, sources)]
        path = tmp_path / "note {books}" / "demo.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=[parameters, *cells]), path)
        return path

    return write


def printed(path):
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", ())]
    return "".join(output.get("text", "") for output in outputs)


def test_the_executed_notebook_is_left(notebook, tmp_path, capsys):
    source = notebook(
        "import os\nprint(SEEDS, os.getcwd())",
        "from videoattn.progress import Progress\nProgress('cma seed 0', 2).advance(1, 'loss 0.5')",
    )
    folder = tmp_path / "runs" / "demo" / "cpu"
    assert execute(source, folder, {"SEEDS": 3}) == folder / EXECUTED
    assert os.listdir(folder) == [EXECUTED]
    assert printed(folder / EXECUTED) == f"3 {source.parent}\n"
    metadata = nbformat.read(folder / EXECUTED, 4).metadata.papermill
    assert (metadata.input_path, metadata.output_path) == ("demo.ipynb", EXECUTED)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "cma seed 0: epoch 1 of 2  loss 0.5\n" in shown.err
    assert "notebook: cell 4 of 5  10 Training\n" in shown.err
    assert "WARNING" not in shown.err


@pytest.mark.parametrize(
    ("source", "kind", "told"),
    [
        ("text = 'a lot\\n' * 99\n1 / 0", RunError, "cell [4] failed: ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", RunError, "SystemExit"),
        ("import os\nos._exit(0)", RunError, "kernel died"),
        ("from videoattn.errors import RunError\nraise RunError('NaN at epoch 3')", RunError, "NaN at epoch 3"),
        ("from videoattn.errors import InputError\nraise InputError('SEEDS is -1')", InputError, "SEEDS is -1"),
    ],
)
def test_a_failure_is_told_and_keeps_what_is_there(notebook, tmp_path, source, kind, told):
    (tmp_path / EXECUTED).write_text("from an earlier run")
    with pytest.raises(kind) as error:
        execute(notebook("print('before')", source, "print('after')"), tmp_path, {"SEEDS": 1})
    message = str(error.value)
    assert told in message
    assert len(message.splitlines()) < 20
    assert "\x1b" not in message
    assert (str(tmp_path / UNFINISHED) in message) == (kind is RunError)
    assert (AGAIN in message) == ("kernel died" in message)
    assert printed(tmp_path / UNFINISHED).startswith("before\n")
    assert "after" not in printed(tmp_path / UNFINISHED)
    assert (tmp_path / EXECUTED).read_text() == "from an earlier run"


@pytest.mark.parametrize(
    ("name", "value", "told", "again"),
    [
        ("RunError", "1 of 12 videos cannot be read (8.3%), more than the 5.0% that may be: a.avi", "8.3%", False),
        ("RunError", "the loss became nan at epoch 3", "the loss became nan", False),
        ("ZeroDivisionError", "division by zero", "failed: ZeroDivisionError: division by zero\n", False),
        ("OSError", "[Err 5] I/O failed\nout of memory", "failed: OSError: [Err 5] I/O failed\n", False),
        ("RunError", "out of memory at epoch 1 with batches of 8 videos", "out of memory at epoch 1", True),
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate", "OutOfMemoryError: CUDA out", True),
        ("RuntimeError", "DataLoader worker (pid 3) is killed by signal: Killed. ", "worker (pid 3)", True),
        ("MemoryError", "", "MemoryError", True),
        ("KeyboardInterrupt", "", "KeyboardInterrupt", True),
        ("OSError", "[Errno 28] No space left on device: 'a.png'", "OSError: the disk is full: 'a.png'\nwhat", True),
        ("RunError", "cannot write the probe x: [Errno 28] No space left on device", "x: the disk is full\n", True),
        ("RunError", "x could not be written: Disk quota exceeded; nothing was", "written: the disk is full;", True),
        (
            "RunError",
            "a process died (or out of memory); the same command goes on",
            "the same command goes on\n",
            False,
        ),
    ],
)
def test_the_same_command_is_advised_where_it_may_pass(notebook, tmp_path, monkeypatch, name, value, told, again):
    def fail(*_: object, **__: object) -> None:
        raise PapermillExecutionError(3, 4, "source", name, value, ["Traceback", "raise out of memory"])

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    with pytest.raises(RunError) as error:
        execute(notebook("1"), tmp_path, {})
    message = str(error.value)
    assert told in message
    assert message.endswith(f"{UNFINISHED}; {AGAIN}" if again else UNFINISHED)
    assert "Errno" not in message


@pytest.mark.parametrize("name", [UNFINISHED, f".{EXECUTED}.PID.part"])
def test_a_full_disk_is_named_with_its_file(notebook, tmp_path, name):
    (tmp_path / name.replace("PID", str(os.getpid()))).symlink_to("/dev/full")
    with pytest.raises(RunError, match="the disk is full") as error:
        execute(notebook("1"), tmp_path, {})
    message = str(error.value)
    assert str(tmp_path) in message
    assert message.endswith(AGAIN)
    assert "Errno" not in message


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_kernel(notebook, tmp_path, monkeypatch, number, code):
    source = notebook(
        f"import os, pathlib, threading\npathlib.Path('pid').write_text(str(os.getpid()))\n"
        f"os.kill(os.getppid(), {int(number)})\nthreading.Event().wait()"
    )
    monkeypatch.setattr(cli, "_reproduce", lambda options: execute(source, tmp_path, {}))
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        assert cli.main(["reproduce"]) == code
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    kernel = int(Path(source.parent, "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)
    assert (tmp_path / UNFINISHED).is_file()


def test_what_cannot_be_written_or_read(notebook, tmp_path):
    with pytest.raises(RunError, match="there is no notebook"):
        execute(tmp_path / "none.ipynb", tmp_path, {})
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="could not be written"):
        execute(notebook("1"), tmp_path / "file" / "run", {})
