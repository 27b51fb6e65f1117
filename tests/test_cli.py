"""The command line and make in front of it: what reaches the command, and what stops before anything is installed."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from types import ModuleType

import pytest

from videoattn import cli
from videoattn.engine.parameters import NAMES
from videoattn.errors import InputError, RunError
from videoattn.locations import repository
from videoattn.papers import PAPERS, check_paper

BY_PAPER = ("experiments:job", "audit:rows", "bench:rows")
TARGETS = {"env", "lab", "reproduce", "test", "audit", "bench", "refresh", "clean"}
LIGHT = ("__init__", "errors", "locations", "cli", "engine/__init__", "engine/parameters", "papers/__init__")


@pytest.fixture
def checkout(tmp_path):
    """A checkout, in a folder with a space, with one paper named demo; nothing is installed in it."""
    root = tmp_path / "check out"
    for name in LIGHT:
        path = root / "videoattn" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository() / "videoattn" / f"{name}.py", path)
    demo = root / "videoattn" / "papers" / "demo"
    demo.mkdir()
    (demo / "__init__.py").write_text('DATA_SETS = ("folder",)\n')
    (demo / "experiments.py").touch()
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(repository() / name, root)
    return root


@pytest.fixture
def installed(checkout):
    """The same, as if it were installed: its Python writes its arguments and environment into call.json."""
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    record = "import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open('call.json', 'w'))"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -c "{record}" "$@"\n')
    python.chmod(0o755)
    (checkout / ".venv" / "installed").write_text(str(checkout))
    for age, name in enumerate((".venv/installed", "requirements.lock", "pyproject.toml"), start=1):
        changed(checkout / name, age)
    return checkout


def changed(path, hours):
    """Says of a file when it was changed. Clocks are set back and tick coarsely: tests do not rely on "just now"."""
    moment = time.time() - 3600 * hours
    os.utime(path, (moment, moment))


def make(root, *arguments, python=sys.executable, **more):
    environment = {name: value for name, value in os.environ.items() if not re.match("MAKE|MFLAGS|CALLED_FROM", name)}
    command = ["make", *([f"PYTHON={python}"] if python else []), *arguments]
    return subprocess.run(command, cwd=root, env=environment | more, capture_output=True, text=True, timeout=60)


def test_make_alone_lists_the_targets(checkout):
    lines = make(checkout).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["make"] * len(TARGETS)
    assert {line.split()[1] for line in lines} == TARGETS
    assert all(len(line.split()) > 4 for line in lines)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["reproduce"], "PAPER=...; choose from demo"),
        (["reproduce", "PAPER=dmo"], "unknown paper 'dmo' (did you mean demo?); choose from demo"),
        (
            ["reproduce", "PAPER=demo", "PROFLE=quick"],
            "(did you mean PROFILE?); choose from PAPER, " + ", ".join(NAMES),
        ),
        (["reproduce", "PAPER=demo", "PRO-FILE=quick"], "unknown parameter 'PRO-FILE'"),
        (["reproduce", "PAPER=demo", "PROFILE=fast"], "expected: check, quick, full, paper, auto"),
        (["reproduce", "PAPER=demo", "SEEDS="], "SEEDS is ''; expected: 0 to 20"),
        (["reproduce", "PAPER=demo", "DATASET=ucf101", "DATA=."], "choose from probe, folder"),
        (["reproduce", "PAPER=demo", "DATASET=folder", "DATA=no $where"], "no $where does not exist"),
        (["audit", "PAPER=dmo"], "choose from demo"),
        (["audit", "PAPER=demo", "JSN=1"], "unknown variable JSN; choose from PAPER JSON PYTHON"),
        (["bench", "PAPER=demo", "JSON=1"], "unknown variable JSON; choose from PAPER PYTHON"),
        (["test", "PAPER=demo"], "unknown variable PAPER; choose from PYTHON"),
    ],
)
def test_what_is_wrong_stops_before_the_installation(checkout, arguments, told):
    done = make(checkout, *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_variable_of_the_environment_is_no_parameter(checkout):
    assert "PAPER=...; choose from demo" in make(checkout, "reproduce", PAPER="demo").stderr


def test_values_reach_the_command_as_they_were_written(installed):
    values = {"PAPER": "demo", "DATA": "a b$c\"d'e#f \\g`h`%i;j=k", "RUNS": "", "SEEDS": "3"}
    assert make(installed, "reproduce", *[f"{name}={value}" for name, value in values.items()]).returncode == 0
    arguments, environment = json.loads((installed / "call.json").read_text())
    assert arguments[:3] == ["-m", "videoattn.cli", "reproduce"]
    assert set(arguments[3:]) == set(values)
    assert {name: environment[name] for name in values} == values


def test_make_audit_and_bench(installed):
    make(installed, "audit", "PAPER=demo", "JSON=1")
    assert json.loads((installed / "call.json").read_text())[0] == ["-m", "videoattn.cli", "audit", "demo", "--json"]
    make(installed, "bench", "PAPER=demo")
    assert json.loads((installed / "call.json").read_text())[0] == ["-m", "videoattn.cli", "bench", "demo"]


def test_only_a_finished_installation_is_believed(installed):
    assert "Nothing to be done" in make(installed, "env", python=None).stdout
    changed(installed / "requirements.lock", hours=0.5)
    update = make(installed, "-n", "env", python=None).stdout
    assert "pip install" in update
    (installed / ".venv" / "installed").write_text("/another/checkout")
    moved = make(installed, "-n", "env", python=None).stdout
    assert "pip install" in moved
    (installed / ".venv" / "installed").unlink()
    assert make(installed, "-n", "env", python=None).stdout == moved


def test_a_python_that_will_not_do(checkout):
    done = make(checkout, "env", python="false")
    assert done.returncode == 2
    assert "false is no Python 3.11 or newer" in done.stderr
    assert not (checkout / ".venv").exists()


def test_make_test_runs_all_checks(installed):
    lines = make(installed, "-n", "test").stdout.splitlines()
    commands = ["ruff check .", "ruff format --check .", "pytest -n", "pytest --nbval notebooks"]
    assert [command in line for command, line in zip(commands, lines, strict=True)] == [True] * 4
    assert (repository() / ".ci" / "run").read_text().splitlines()[-1] == "make test"


def test_make_clean_keeps_what_is_dear(installed):
    gone = ["runs/demo/check-probe-1/record.json", "videoattn/__pycache__/a.pyc", ".ruff_cache/b"]
    kept = ["runs/demo/quick-probe-1/record.json", ".cache/flow", ".venv/lib/__pycache__/c.pyc"]
    for name in gone + kept:
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).touch()
    assert make(installed, "clean").returncode == 0
    assert [(installed / name).exists() for name in gone + kept] == [False] * 3 + [True] * 3


def test_parameters_are_checked_without_any_package(checkout):
    command = [sys.executable, "-S", "-m", "videoattn.cli", "reproduce", "--check", "demo", "DATASET=folder", "DATA"]
    done = subprocess.run(command, cwd=checkout, env={"DATA": "videoattn"}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_split_is_refused_without_any_package():
    values = ["rcca", "DATASET=diving48", "DATA=videoattn", "SPLIT=2"]
    command = [sys.executable, "-S", "-m", "videoattn.cli", "reproduce", "--check", *values]
    done = subprocess.run(command, cwd=repository(), env={}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "videoattn: SPLIT is 2, but diving48 has a single split, 1\n")


def test_arguments_become_parameters(tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "check_paper", lambda name: name)
    monkeypatch.setattr(cli, "data_sets", lambda paper: ("folder",))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made" / "here").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    assert cli.read_parameters(["PAPER=demo"], {}).profile == "auto"
    assert cli.read_parameters(["PAPER", "PROFILE=quick"], {"PAPER": "demo", "PROFILE": "full"}).profile == "quick"
    with pytest.raises(InputError, match=r"SEEDS has no value: give SEEDS=\.\.\."):
        cli.read_parameters(["PAPER=demo", "SEEDS"], {})
    caller = {"CALLED_FROM": str(tmp_path / "made")}
    data = ["PAPER=demo", "DATASET=folder", "DATA=here"]
    assert cli.read_parameters(data, caller).data == tmp_path / "here"
    (tmp_path / "here").rmdir()
    assert cli.read_parameters(data, caller).data == tmp_path / "made" / "here"
    with pytest.raises(InputError, match="does not exist"):
        cli.read_parameters(data, {})
    (tmp_path / "made" / "net.pt").touch()
    found = cli.read_parameters(["PAPER=demo", "INIT=net.pt:tsn"], caller)
    assert (found.init, found.init_source) == (tmp_path / "made" / "net.pt", "tsn")
    (tmp_path / "made" / "other.pt").touch()
    (tmp_path / "other.pt").touch()
    found = cli.read_parameters(["PAPER=demo", "INIT=net.pt,other.pt"], caller)
    assert (found.init, found.init_second) == (tmp_path / "made" / "net.pt", tmp_path / "other.pt")


def test_the_papers_of_this_repository():
    assert all(check_paper(name) == name for name in PAPERS)
    with pytest.raises(InputError, match="choose from " + ", ".join(PAPERS)):
        check_paper("none")
    with pytest.raises(InputError, match="no paper is named"):
        check_paper("")


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("wrong"), 2), (RunError("failed"), 1), (KeyboardInterrupt(), 130), (KeyboardInterrupt(15), 143)],
)
def test_exit_codes(monkeypatch, capsys, error, code):
    def work(options):
        raise error

    monkeypatch.setattr(cli, "_runs", work)
    assert cli.main(["runs", "list"]) == code
    assert capsys.readouterr().err == ("" if code > 2 else f"videoattn: {error}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such-command"],
        ["runs"],
        ["data"],
        ["data", "ucf101", "."],
        ["data", "flow", "ucf101"],
        ["data", "verify", "ucf101", ".", "--split", "all"],
    ],
)
def test_wrong_commands(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "usage: videoattn" in capsys.readouterr().err


def test_audit_prints_what_the_paper_counts(monkeypatch, capsys):
    reporting, paper = ModuleType("videoattn.reporting.audit"), ModuleType("videoattn.papers.demo.audit")
    reporting.as_json, reporting.as_markdown, paper.rows = json.dumps, str, lambda: [1, 2]
    monkeypatch.setitem(sys.modules, "videoattn.reporting.audit", reporting)
    monkeypatch.setitem(sys.modules, "videoattn.papers.demo", ModuleType("demo"))
    monkeypatch.setitem(sys.modules, "videoattn.papers.demo.audit", paper)
    monkeypatch.setattr(cli, "check_paper", lambda name: name)
    assert cli.main(["audit", "demo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [1, 2]


@pytest.mark.parametrize(
    "name",
    [
        "videoattn.data.datasets.catalogue:catalogue",
        "videoattn.data.verify.verify:main_verify",
        "videoattn.data.flow.command:main_flow",
    ]
    + ["videoattn.published:main_runs", "videoattn.published:summary"]
    + [
        f"videoattn.papers.{paper}.{rest}"
        for paper in PAPERS
        for rest in ("experiments:job", "audit:rows", "bench:tables")
    ],
)
def test_every_command_has_its_work(name):
    module, _, function = name.partition(":")
    assert callable(getattr(importlib.import_module(module), function))
