"""Train first, render after; what is left of a notebook, what is told of a failure, and that no kernel stays."""

import os
import signal
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from videoattn import cli
from videoattn import reproduce as module
from videoattn.engine.parameters import check
from videoattn.errors import RunError
from videoattn.locations import repository
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
    source = notebook("import os\nprint(SEEDS, os.getcwd())", "1 + 1")
    folder = tmp_path / "runs" / "demo" / "cpu"
    assert execute(source, folder, {"SEEDS": 3}) == folder / EXECUTED
    assert os.listdir(folder) == [EXECUTED]
    assert printed(folder / EXECUTED) == f"3 {source.parent}\n"
    metadata = nbformat.read(folder / EXECUTED, 4).metadata.papermill
    assert (metadata.input_path, metadata.output_path) == ("demo.ipynb", EXECUTED)
    shown = capsys.readouterr()
    assert "notebook: cell 5 of 5\n" in shown.out
    assert "WARNING" not in shown.err


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("text = 'a lot\\n' * 99\n1 / 0", "cell [4] failed: ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", "SystemExit"),
        ("import os\nos._exit(0)", "kernel died"),
        ("from videoattn.errors import RunError\nraise RunError('NaN at epoch 3')", "NaN at epoch 3"),
    ],
)
def test_a_failure_is_told_and_keeps_what_is_there(notebook, tmp_path, source, told):
    (tmp_path / EXECUTED).write_text("from an earlier run")
    with pytest.raises(RunError) as error:
        execute(notebook("print('before')", source, "print('after')"), tmp_path, {"SEEDS": 1})
    message = str(error.value)
    assert told in message
    assert len(message.splitlines()) < 20
    assert "\x1b" not in message
    assert str(tmp_path / UNFINISHED) in message
    assert (AGAIN in message) == ("kernel died" in message)
    assert printed(tmp_path / UNFINISHED).startswith("before\n")
    assert "after" not in printed(tmp_path / UNFINISHED)
    assert (tmp_path / EXECUTED).read_text() == "from an earlier run"


@pytest.mark.parametrize("name", [UNFINISHED, f".{EXECUTED}.PID.part"])
def test_a_full_disk_is_named_with_its_file(notebook, tmp_path, name):
    (tmp_path / name.replace("PID", str(os.getpid()))).symlink_to("/dev/full")
    with pytest.raises(RunError, match="could not be written: No space left on device") as error:
        execute(notebook("1"), tmp_path, {})
    assert str(tmp_path) in str(error.value)
    assert "Errno" not in str(error.value)


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


def test_studies_are_trained_before_the_notebook_is_executed(tmp_path, monkeypatch, capsys):
    """All studies of the paper, in this process; the notebook gets no parameter that says how it runs."""
    calls = []

    class Study:
        def __init__(self, name):
            self.name, self.folder = name, tmp_path / (name or "first")

        def run(self):
            calls.append(("run", self.name))

    monkeypatch.setattr(module, "make_study", lambda parameters, name: Study(name))
    monkeypatch.setattr(module, "execute", lambda *given: calls.append(("execute", *given)))
    monkeypatch.setattr(module, "summary", lambda folder: f"summary of {folder.name}")
    given = {"PROFILE": "check", "SEEDS": 2, "PARALLEL": 3, "WORKERS": 1, "TEST_BATCH": 8, "ACCUMULATION": 2}
    module.reproduce(check("istpa", given, ()))
    notebook = repository() / "notebooks" / "istpa.ipynb"
    assert calls == [("run", ""), ("run", "streams"), ("execute", notebook, tmp_path / "first", {"SEEDS": 2})]
    shown = capsys.readouterr().out
    assert shown.startswith("istpa goes into ")
    assert shown.endswith("summary of first\n\nsummary of streams\n")


def test_a_training_that_fails_ends_with_its_own_error(tmp_path, monkeypatch, capsys):
    class Study:
        folder = tmp_path

        def run(self):
            raise RunError("the loss became nan")

    monkeypatch.setattr(module, "make_study", lambda parameters, name: Study())
    monkeypatch.setattr(module, "execute", lambda *given: pytest.fail("nothing is to be rendered"))
    assert cli.main(["reproduce", "PAPER=cma", "PROFILE=check"]) == 1
    assert capsys.readouterr().err == "videoattn: the loss became nan\n"
