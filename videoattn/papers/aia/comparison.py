"""Rows of the results, and where they stand in the paper's tables."""

from videoattn.engine.experiment import Row
from videoattn.papers.aia.attention import NAMES
from videoattn.papers.aia.network import RIVALS
from videoattn.papers.aia.recipe import BEST, EASY, HARD, PAPER, VARIANTS, plain, protocol

# Table II: networks over 8, 12 and 16 frames, and the last rows: their scores, added.
KINDS = ("tsn", "tsm")
FRAMES = (8, 12, 16)
PROTOCOLS = tuple(protocol(*views) for views in PAPER.protocols)
ENSEMBLES = {"8+16": (8, 16), "8+12+16": (8, 12, 16)}


def of_frames(kind: str, frames: int) -> str:
    """The job of the paper's best module over so many frames."""
    return f"{kind}-{plain(BEST)}" + ("" if frames == 8 else f"-{frames}f")


def rows(protocols: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows of the results.

    Args:
        protocols: further ways of testing, such as "3x2", for the paper's best module and its ensembles.
    """
    found = [Row(name, ((name, "rgb", 1),)) for name in VARIANTS]
    for kind in KINDS:
        for way in ("", *(f" {views}" for views in protocols)):
            if way:
                found += [Row(f"{job}{way}", ((job, f"rgb{way}", 1),)) for job in (of_frames(kind, n) for n in FRAMES)]
            for label, lengths in ENSEMBLES.items():
                parts = tuple((of_frames(kind, n), f"rgb{way}", 1) for n in lengths)
                found.append(Row(f"{kind}-{plain(BEST)} {label}{way}", parts))
    return tuple(found)


ALL = rows(PROTOCOLS)


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

# (row, column of the paper's table, row of the results)
COLUMN = "Top-1"
TABLE_1 = {
    "tsn": (
        ("TSN None", COLUMN, "tsn-none"),
        *((f"TSN {g}", COLUMN, f"tsn-{plain(g)}") for g in (*RIVALS, *NAMES)),
    ),
    "tsm": (("TSM None", COLUMN, "tsm-none"), *((f"TSM {g}", COLUMN, f"tsm-{plain(g)}") for g in NAMES)),
}
TABLE_2 = tuple(
    (f"AIA({kind.upper()}) {label}x{way}", "V1 Top-1", name if way == "1x1" else f"{name} {way}")
    for kind in KINDS
    for label, name, ways in (
        *((str(n), of_frames(kind, n), ("1x1", *PROTOCOLS)) for n in FRAMES),
        *((f"({label})", f"{kind}-{plain(BEST)} {label}", ("3x2",)) for label in ENSEMBLES),
    )
    for way in ways
)
TABLE_3 = (
    ("TSN", COLUMN, "tsn-none"),
    ("C3D", COLUMN, "c3d"),
    ("GST", COLUMN, "gst"),
    ("TSM", COLUMN, "tsm-none"),
    ("AIA(TSN)", COLUMN, f"tsn-{plain(BEST)}"),
    ("AIA(TSM)", COLUMN, f"tsm-{plain(BEST)}"),
)
