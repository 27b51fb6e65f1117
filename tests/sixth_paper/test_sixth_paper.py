"""A paper that is added as one folder and one notebook: it is found, audited, run, and has the form of the others."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from videoattn.locations import repository

HERE = Path(__file__).parent
NAME = "squeeze"
MOST_LINES = 250  # of the folder, besides the module itself


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    """A Python module as a command, in the checkout and with its package."""
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "IPYTHONDIR": str(root / "ipython")}
    environment.pop("VIDEOATTN_CACHE", None)
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=root, env=environment, capture_output=True, text=True, timeout=500
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of this checkout with the paper in it."""
    root, own = tmp_path_factory.mktemp("sixth") / "checkout", repository()
    for name in ("videoattn", "notebooks"):
        shutil.copytree(own / name, root / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    shutil.copy(own / "pyproject.toml", root)
    shutil.copytree(HERE / NAME, root / "videoattn" / "papers" / NAME, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / f"{NAME}.ipynb", root / "notebooks")
    tests = root / "tests" / "papers" / NAME
    tests.mkdir(parents=True)
    shutil.copy(HERE / "in_loops.py", tests / f"test_{NAME}_attention.py")
    shutil.copy(own / "tests" / "test_notebooks.py", root / "tests")
    (root / "tests" / "engine").mkdir()
    return root


def test_it_is_small():
    files = [path for path in (HERE / NAME).iterdir() if path.suffix in (".py", ".csv") and path.stem != "attention"]
    assert sum(len(path.read_text().splitlines()) for path in files) <= MOST_LINES


def test_its_figures_are_audited(checkout):
    done = run(checkout, "videoattn.cli", "audit", NAME, "--json")
    assert done.returncode == 0, done.stderr
    found = {row["quantity"]: (row["computed"], row["verdict"]) for row in json.loads(done.stdout)}
    # 16 blocks, two matrices of C x C / 16 each: 2 / 16 (3 256^2 + 4 512^2 + 6 1024^2 + 3 2048^2)
    assert found == {"added parameters": (2514944, "reproduced"), "added share": (2514944, "reproduced")}


def test_it_is_found_and_reproduced(checkout):
    wrong = run(checkout, "videoattn.cli", "reproduce", f"PAPER={NAME}", "PROFILE=check", "FLOW=dis")
    assert wrong.returncode == 2
    assert "squeeze looks at RGB alone" in wrong.stderr
    done = run(checkout, "videoattn.cli", "reproduce", f"PAPER={NAME}", "PROFILE=check")
    assert done.returncode == 0, done.stderr
    (folder,) = (checkout / "runs" / NAME).iterdir()
    record = json.loads((folder / "record.json").read_text())
    assert record["complete"]
    assert [(result["job"], list(result["metrics"])) for result in record["results"]] == [
        ("none", ["none"]),
        ("se", ["se gates", "se"]),
        ("tsm", ["tsm"]),
    ]
    assert (folder / "notebook.ipynb").is_file()


def test_it_has_the_form_of_the_others(checkout):
    notebook = f"notebooks/{NAME}.ipynb"
    execute = ("nbconvert", "--to", "notebook", "--inplace", "--execute", "--ExecutePreprocessor.kernel_name=python3")
    done = run(checkout, *execute, notebook)
    assert done.returncode == 0, done.stderr
    assert run(checkout, "videoattn.cli", "runs", "table", "--update", notebook).returncode == 0
    done = run(checkout, "pytest", "-p", "no:cacheprovider", "tests", "-k", NAME)
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout
