"""Whether two runs agree, row by row, under a test that knows the spread over seeds."""

import pandas as pd

from videoattn.engine.record import Record
from videoattn.evaluation.intervals import LEVEL, difference_interval
from videoattn.reporting.tables import accuracy, each_seed

AGREES, DIFFERS = "agrees", "differs"


def compared_rows(one: Record, other: Record) -> dict[str, str]:
    """For each row that both records hold, whether their mean accuracies agree.

    A row differs where the interval of the difference leaves 0 out, at a level that is divided by the number of rows:
    of runs that differ by chance alone 95 of 100 show no row that differs.
    """
    rows = [row for row in _accuracies(one) if row in _accuracies(other)]
    level = 1 - (1 - LEVEL) / max(1, len(rows))
    found = {}
    for row in rows:
        videos = min(one.videos(row), other.videos(row))
        low, high = difference_interval(one.values(row), other.values(row), videos, level)
        found[row] = AGREES if low <= 0 <= high else DIFFERS
    return found


def comparison(one: Record, other: Record, names: tuple[str, str]) -> str:
    """`compared_rows` as Markdown, with what both records hold of each row, and a line that counts them."""
    found = compared_rows(one, other)
    if not found:
        return f"{names[0]} and {names[1]} have no row in common."
    lines = [
        (row, *(f"{accuracy(record, row)}; {each_seed(record, row)}" for record in (one, other)), said)
        for row, said in found.items()
    ]
    table = pd.DataFrame(lines, columns=["row", *names, ""]).to_markdown(index=False, disable_numparse=True)
    differ = [row for row, said in found.items() if said == DIFFERS]
    count = f"{len(differ)} of {len(found)} rows differ: {', '.join(differ)}"
    different = ", ".join(other_recipe(one, other))
    recipes = f"; the recipes differ in {different}" if different else ""
    return f"{table}\n\n{count if differ else f'all {len(found)} rows agree'}{recipes}"


def _accuracies(record: Record) -> list[str]:
    """The rows that hold an accuracy, in order."""
    return list(dict.fromkeys(row for r in record.results for row, found in r["metrics"].items() if "top1" in found))


def other_recipe(one: Record, other: Record) -> list[str]:
    """In what recipes differ; rows and seeds may."""
    free = {"seeds", "central", "jobs", "variants"}
    names = sorted((one.recipe.keys() | other.recipe.keys()) - free)
    return [name for name in names if one.recipe.get(name) != other.recipe.get(name)]
