"""Rows of the results."""

from videoattn.engine.experiment import Row
from videoattn.papers.aia.recipe import BEST, EASY, HARD, PAPER, VARIANTS, plain, views_name

# Table II: networks over 8, 12 and 16 frames, and the last rows: their scores, added.
KINDS = ("tsn", "tsm")
FRAMES = (8, 12, 16)
VIEWS = tuple(views_name(*of) for of in PAPER.views)  # of testing
ENSEMBLES = {"8+16": (8, 16), "8+12+16": (8, 12, 16)}


def of_frames(kind: str, frames: int) -> str:
    """The job of the paper's best module over so many frames."""
    return f"{kind}-{plain(BEST)}" + ("" if frames == 8 else f"-{frames}f")


def rows(tested: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows of the results.

    Args:
        tested: other views of testing, such as "3x2", for the paper's best module and its ensembles.
    """
    found = [Row(name, ((name, "rgb", 1),)) for name in VARIANTS]
    for kind in KINDS:
        for way in ("", *(f" {name}" for name in tested)):
            if way:
                found += [Row(f"{job}{way}", ((job, f"rgb{way}", 1),)) for job in (of_frames(kind, n) for n in FRAMES)]
            for label, lengths in ENSEMBLES.items():
                parts = tuple((of_frames(kind, n), f"rgb{way}", 1) for n in lengths)
                found.append(Row(f"{kind}-{plain(BEST)} {label}{way}", parts))
    return tuple(found)


ALL = rows(VIEWS)


def jobs(row: str) -> tuple[str, ...]:
    """The jobs whose scores make a row of the results."""
    return next(tuple(name for name, _, _ in found.parts) for found in ALL if found.name == row)


# What the README shows: (label, row of the results).
HEADLINE = tuple(
    (f"{label}, {level}", f"{name} {level}")
    for level in (*EASY, *HARD)
    for label, name in (
        ("TSN", "tsn-none"),
        ("TSN + C", "tsn-C"),
        ("TSN + ST", "tsn-ST"),
        ("TSN + CinST", "tsn-CinST"),
    )
)
