"""Published runs: what the README and the notebooks say of them, and `videoattn runs`."""

import argparse
import functools
import importlib
from dataclasses import replace
from pathlib import Path

import nbformat
import pandas as pd

from videoattn.data.datasets import dataset_info
from videoattn.engine.experiment import module_of, studies
from videoattn.engine.parameters import check
from videoattn.engine.protocol import Protocol, started_from
from videoattn.engine.record import Record, publish, read, records
from videoattn.engine.study import make_study
from videoattn.errors import InputError, RunError
from videoattn.io import write_atomically
from videoattn.locations import runs_root
from videoattn.papers import PAPERS, data_sets
from videoattn.reporting.compare import comparison, other_recipe
from videoattn.reporting.paper_tables import departures, filled_tables, split_of
from videoattn.reporting.tables import NOT_RUN, accuracy, caption, data_name, each_seed, measured, reference


def is_stale(record: Record) -> bool:
    """Whether the recipe that a record was made with is no longer the one of its profile."""
    if data_name(record) != "probe":
        return False  # the digest holds the user's own files, which need not be at hand
    study = make_study(check(record.paper, record.parameters, data_sets(record.paper)), record.study)
    return study is None or study.digest != record.digest


def claims_table(paper: str) -> str:
    """The claims of a paper with their verdicts, as Markdown, judged on the published record of each of its studies.

    Those whose rows were not run are named in a line below.
    """
    found = [reference(paper, study) for study in studies(paper)]
    rows = importlib.import_module(f"videoattn.papers.{paper}.claims").claims(*(own and own[1] for own in found))
    head = ["claim", "in the paper", "tested in section", "verdict here"]
    lines = [(c.claim, c.where, c.section, str(c.verdict)) for c in rows if c.verdict.word != NOT_RUN]
    table = pd.DataFrame(lines, columns=head).to_markdown(index=False, disable_numparse=True)
    left = [f"{c.claim} ({c.where})" for c in rows if c.verdict.word == NOT_RUN]
    return f"{table}\n\nNot run: {'; '.join(left)}." if left else table


def headline_table(record: Record) -> str:
    """The rows of a record that matter most, as Markdown."""
    rows = module_of(record.paper, record.study).HEADLINE
    lines = [(label, accuracy(record, row), each_seed(record, row)) for label, row in rows if record.values(row)]
    name = ", ".join(filter(None, (record.paper, record.study)))
    head = [name, f"top-1 %, {data_name(record)}", "each seed"]
    return pd.DataFrame(lines, columns=head).to_markdown(index=False, disable_numparse=True)


def result_section(paper: str) -> str:
    """What README and notebook say of a paper: its claims, the rows that matter most, and how they were measured."""
    found = [own[1] for own in (reference(paper, study) for study in studies(paper)) if own]
    sections = [claims_table(paper)]
    for record in found:
        marks = " **Stale: the recipe has changed since.**" if is_stale(record) else ""
        marks += "" if record.environment["clean"] else " **Its tree was not clean: no commit holds just its code.**"
        sections += [headline_table(record), f"{caption(record)}.{marks}"]
    return "\n\n".join(sections if found else [*sections, "Nothing is published yet."])


def update(text: str, paper: str) -> str:
    """`text` with what stands between the marks of a paper replaced by its results.

    Raises:
        InputError: the marks `<!-- results: PAPER -->` and `<!-- end -->` are not there.
    """
    begin, end = f"<!-- results: {paper} -->", "<!-- end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise InputError(f"no {begin} with {end} behind it")
    return f"{before}{begin}\n\n{result_section(paper)}\n\n{end}{after}"


def updated(path: Path) -> str:
    """The text of a Markdown file, or of a paper's notebook, with the results as they are now."""
    if path.suffix == ".ipynb":
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[0].source = update(notebook.cells[0].source, path.stem)
        return nbformat.writes(notebook) + "\n"
    return functools.reduce(update, PAPERS, path.read_text())


def run_report(folder: Path) -> str:
    """What a run measured, as Markdown; on a real data set beside the paper's tables, or why not."""
    record = read(folder)
    return "\n\n".join(filter(None, (caption(record), measured(record), *_beside_paper(folder, record))))


def summary(folder: Path) -> str:
    """For a terminal: `run_report`, the published run beside it, whether it is complete, and where everything lies."""
    record = read(folder)
    what = "dry run complete" if record.parameters.get("STEPS") else "complete"
    state = what if record.complete else "not complete: the same command goes on"
    names = ("notebook.ipynb", "record.json", "log.csv", "figures", "checkpoints", "scores")
    files = "\n".join(f"  {folder / name}" for name in names if (folder / name).exists())
    return "\n\n".join(filter(None, (run_report(folder), _beside_published(folder, record), f"{state}\n{files}")))


def _beside_published(folder: Path, record: Record) -> str:
    """A run on the probe against the published one of the same recipe; nothing where there is none."""
    found = reference(record.paper, record.study) if data_name(record) == "probe" else None
    if not found or found[0] == folder or record.parameters.get("STEPS"):
        return ""
    if other_recipe(record, found[1]):
        return ""
    return f"against the published run:\n\n{comparison(record, found[1], ('here', 'published'))}"


def _beside_paper(folder: Path, record: Record) -> list[str]:
    """The tables of the paper that a run and its fellows on other splits fill; or one sentence on why none."""
    if data_name(record) == "probe":
        return []
    chosen, reasons = _judged(record)
    if chosen is None:
        return [f"The paper has no results on {data_name(record)}."]
    if reasons:
        return [f"Not set beside the paper's tables ({chosen.where}), since {'; '.join(reasons)}."]
    fellows = {split_of(record): record}
    for _, other in records(folder.parent.parent, record.paper, strict=False):
        same = (other.study, other.parameters.get("DATASET")) == (record.study, chosen.data_set)
        if same and _but_data(other) == _but_data(record) and not _judged(other)[1]:
            fellows.setdefault(split_of(other), other)
    return list(filled_tables(fellows, chosen)) or [f"The paper prints no number for this run ({chosen.where})."]


def _judged(record: Record) -> tuple[Protocol | None, list[str]]:
    """The paper's protocol that a run on real data is nearest to, and in what it departs: itself, or the run whose
    networks it started from."""
    experiments = module_of(record.paper, record.study)
    own = [p for p in experiments.PROTOCOLS if p.data_set == data_name(record)]
    if not own:
        return None, []
    chosen = next((p for p in own if p.start == started_from(record.recipe)), own[0])
    profile = replace(experiments.PROFILES["paper"], **chosen.changes)
    found = departures(record, chosen, profile, dataset_info(chosen.data_set).counts)
    return chosen, found or _started(record)


def _started(record: Record) -> list[str]:
    """What keeps the run whose networks another one started from, if any, from being the paper's."""
    init = record.recipe.get("init")
    if not init:
        return []
    path = Path(record.parameters["INIT"])
    try:
        before = read(path)
    except RunError as error:
        return [f"the run that it started from cannot be judged: {error}"]
    if before.digest != init["of"]:
        return [f"the run that it started from, {init['of']}, no longer lies in {path}"]
    return [f"the run that it started from is not the paper's: {reason}" for reason in _judged(before)[1]]


def _but_data(record: Record) -> dict:
    """The recipe of a record without the files that it was trained on."""
    return {name: value for name, value in record.recipe.items() if name != "data"}


def _stale(record: Record) -> str:
    """What a list says of a record that is stale, or whose parameters are no longer accepted."""
    try:
        return ", stale" if is_stale(record) else ""
    except InputError as error:
        return f", cannot be repeated ({error})"


def main_runs(options: argparse.Namespace) -> None:
    """`videoattn runs`: list the records, print or update the tables, compare two runs, publish one."""
    if options.action == "compare":
        folders = Path(options.folder), Path(options.other)
        one, other = map(read, folders)
        if (one.paper, one.study) != (other.paper, other.study):
            raise InputError(f"{folders[0]} and {folders[1]} are runs of different studies")
        print(comparison(one, other, (folders[0].name, folders[1].name)))
    elif options.action == "publish":
        print(f"published as {publish(Path(options.folder))}")
    elif options.action == "list":
        for paper in PAPERS:
            for folder, record in records(runs_root(), paper, strict=False):
                state = "complete" if record.complete else "not complete"
                print(f"{folder}: {state}{_stale(record)}; {caption(record)}")
    elif options.update:
        for path in map(Path, options.update):
            write_atomically(path, updated(path).encode())
    else:
        for paper in PAPERS:
            print(f"{paper}\n\n{result_section(paper)}\n")
