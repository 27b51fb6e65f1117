"""The form of the notebooks, and what links equations, code, tests and kept outputs."""

import re
import statistics
from pathlib import Path

import nbformat
import pytest

from videoattn.engine.parameters import parameters_cell
from videoattn.papers import PAPERS
from videoattn.published import update, updated

ROOT = Path(__file__).parents[1]
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
SECTIONS = (
    *("2 Parameters", "3 Setup", "4 Notation", "5 Derivation", "6 The module", "7 Properties", "8 Complexity"),
    *("9 Data", "10 Training", "11 Results", "12 What the model looks at", "13 Speed", "14 Deviations"),
    "15 Provenance",
)


def equations(text: str, *, of: str = "") -> set[int]:
    """Numbers in comments such as `# Eq. (1), (2)`; of a paper those in comments such as `# Eq. (7) of CMA`."""
    marks = re.findall(r"# Eq\. (\(\d+\)(?:, \(\d+\))*)(?: of (\w+))?", text)
    return {int(number) for mark, paper in marks if paper.lower() == of for number in re.findall(r"\d+", mark)}


def test_equations_are_told_apart_by_paper():
    text = "x  # Eq. (1), (2)\ny  # Eq. (7) of CMA\n"
    assert (equations(text), equations(text, of="cma"), equations(text, of="aia")) == ({1, 2}, {7}, set())


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_every_paper_has_a_notebook():
    assert tuple(NOTEBOOKS) == PAPERS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_size_and_sections(name):
    notebook = NOTEBOOKS[name]
    lengths = [len(cell.source.splitlines()) for cell in code(notebook)]
    assert len(notebook.cells) <= 70
    assert statistics.median(lengths) <= 8
    assert max(lengths) <= 20
    assert not any(re.search(r"^\s*class ", cell.source, re.M) for cell in code(notebook))
    headings = re.findall(r"^## (.*)$", "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown"), re.M)
    assert [heading[: len(s)] for heading, s in zip(headings, SECTIONS, strict=True)] == list(SECTIONS)
    assert notebook.cells[0].source.startswith("# ")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_parameters_come_first_and_are_those_of_all_papers(name):
    first, second = code(NOTEBOOKS[name])[:2]
    assert first.metadata.tags == ["parameters"]
    assert first.source == parameters_cell()
    assert f'check_notebook("{name}", globals(), DATA_SETS)' in second.source


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_outputs_are_kept_and_nothing_went_to_stderr(name):
    assert [cell.execution_count for cell in code(NOTEBOOKS[name])] == list(range(1, len(code(NOTEBOOKS[name])) + 1))
    outputs = [output for cell in code(NOTEBOOKS[name]) for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert NOTEBOOKS[name].metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("name", PAPERS)
def test_each_equation_stands_in_library_notebook_and_tests(name):
    library, tests = (
        "".join(path.read_text() for path in (ROOT / folder / "papers" / name).glob("*.py"))
        for folder in ("videoattn", "tests")
    )
    # What all papers share may hold an equation of one of them.
    shared, shared_tests = (
        equations("".join(path.read_text() for path in (ROOT / folder / "engine").glob("*.py")), of=name)
        for folder in ("videoattn", "tests")
    )
    notebook = "\n".join(cell.source for cell in code(NOTEBOOKS[name]))
    assert equations(notebook) == equations(tests) | shared_tests == equations(library) | shared
    documented = {int(n) for n in re.findall(r"^    \((\d+)\) ", library, re.M)}
    assert documented <= equations(notebook)


@pytest.mark.parametrize("name", PAPERS)
def test_claims_and_results_are_those_of_the_records(name):
    notebook = ROOT / "notebooks" / f"{name}.ipynb"
    assert nbformat.reads(updated(notebook), as_version=4).cells[0] == NOTEBOOKS[name].cells[0]


def test_readme_shows_the_results_of_the_records():
    readme = ROOT / "README.md"
    assert updated(readme) == readme.read_text()


def test_a_stale_table_is_seen():
    text = "before\n<!-- results: cma -->\noutdated words\n<!-- end -->\nafter\n"
    fresh = update(text, "cma")
    assert "outdated words" not in fresh
    assert fresh.startswith("before\n")
    assert fresh.endswith("<!-- end -->\nafter\n")
    assert update(fresh, "cma") == fresh
