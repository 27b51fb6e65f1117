r"""The protocols of attention in attention on real data sets: Y. Hao et al., section IV.

Training is that of section IV-B on all of them (the profile `paper`). Rows that the paper cites are left out.
"""

from dataclasses import replace

from videoattn.engine.protocol import IMAGENET, Cells, Protocol
from videoattn.papers.aia.comparison import TABLE_1, TABLE_2, TABLE_3, of_frames
from videoattn.papers.aia.recipe import PAPER

FIVE = {"Top-1": "top1", "Top-5": "top5"}
COMPARED = ("tsn-none", "c3d", "gst", "tsm-none", of_frames("tsn", 8), of_frames("tsm", 8))  # tables III to V
# Section IV-B: "resized with 240 x 320 for SSV1/V2 and with the short-size as 256 for others".
STRETCHED = replace(PAPER.clips, short_side=240, aspect=4 / 3)


def _both(table: str, lines: tuple[tuple[str, str, str], ...], *, column: str = "{}") -> tuple[Cells, ...]:
    """The columns of top-1 and top-5 of a table."""
    return tuple(
        Cells(table=table, lines=tuple((row, column.format(name), job) for row, _, job in lines), metric=metric)
        for name, metric in FIVE.items()
    )


def _table_2(version: str) -> tuple[Cells, ...]:
    own = ("TSN 8x1x1", "", "tsn-none")
    return _both("II", (own, *TABLE_2), column=f"{version} {{}}")


PROTOCOLS = (
    Protocol(
        data_set="something_v1",
        start=IMAGENET,
        where="sections IV-B, IV-C and IV-F, tables I and II",
        changes={"clips": STRETCHED},
        cells=(*(cells for lines in TABLE_1.values() for cells in _both("I", lines)), *_table_2("V1")),
    ),
    Protocol(
        data_set="something_v2",
        start=IMAGENET,
        where="section IV-F, table II",
        changes={
            "clips": STRETCHED,
            "jobs": ("tsn-none", *(of_frames(k, n) for k in ("tsn", "tsm") for n in (8, 12, 16))),
        },
        cells=_table_2("V2"),
    ),
    Protocol(
        data_set="diving48",
        start=IMAGENET,
        where="section IV-F, table III",
        changes={"jobs": COMPARED, "protocols": ()},
        cells=_both("III", TABLE_3),
    ),
    Protocol(
        data_set="egtea",
        start=IMAGENET,
        where="section IV-F, table IV",
        changes={"jobs": COMPARED, "protocols": ()},
        cells=tuple(
            Cells(table="IV", splits=(split,), lines=tuple((row, f"Split{split}", job) for row, _, job in TABLE_3))
            for split in (1, 2, 3)
        ),
    ),
    Protocol(
        data_set="epic55",
        start=IMAGENET,
        where="section IV-F, table V",
        changes={"jobs": COMPARED, "protocols": ()},
        departs="the split of table V is the authors' own and not public; here P01 to P25 train, P26 to P31 test",
    ),
)
