r"""The protocols of the streams and their fusions on real data sets: W. Hu et al., sections 5.1.6, 5.5 and 5.7.1.

Steps are counted as in `videoattn.papers.istpa.protocols`, of the videos that are not held out; flow takes 30,000, its
rate falls after 12,000 and 24,000. The rows of tables 12 and 13 with 30 frames are not run.
"""

from videoattn.engine.protocol import IMAGENET, Cells, Protocol
from videoattn.papers.istpa.streams.comparison import TABLE_4, TABLE_9, TABLE_11, TABLE_12, TABLE_13
from videoattn.papers.istpa.streams.recipe import PAPER, jobs, recipe

HELD = (
    f"{PAPER.held_out:.0%} of the training videos are held out, to search the weights of late fusion on them, where "
    "the paper trains on all and prints no weights"
)
SPLITS = (1, 2, 3)


def _of(data_set: str) -> tuple[Cells, ...]:
    """Tables 12 and 13, the means of three splits, without the rows that are not run."""
    tables = {"12": TABLE_12, "13": TABLE_13}
    return tuple(
        Cells(table=table, splits=SPLITS, lines=tuple(line for line in lines if line[1] == data_set))
        for table, lines in tables.items()
    )


PROTOCOLS = (
    Protocol(
        data_set="ucf101",
        start=IMAGENET,
        where="sections 5.1.6, 5.5 and 5.7.1, tables 4, 9 and 11 to 13",
        cells=(
            *(Cells(table=name, lines=lines) for name, lines in (("4", TABLE_4), ("9", TABLE_9), ("11", TABLE_11))),
            *_of("UCF101"),
        ),
        departs=HELD,
    ),
    Protocol(
        data_set="hmdb51",
        start=IMAGENET,
        where="section 5.7.1, tables 12 and 13",
        changes={"jobs": jobs("both", "bn-both", joint=()), **recipe(3213)},  # nine tenths of a split
        cells=_of("HMDB51"),
        departs=HELD,
    ),
)
