r"""The protocols of the streams and their fusions on real data sets: W. Hu et al., sections 5.1.6, 5.5 and 5.7.1.

Steps are counted as in `videoattn.papers.istpa.protocols`, of the videos that are not held out; flow takes 30,000, its
rate falls after 12,000 and 24,000. The rows of tables 12 and 13 with 30 frames are not run.
"""

from videoattn.engine.protocol import IMAGENET, Cells, Protocol
from videoattn.papers.istpa.streams.recipe import PAPER, jobs, recipe

HELD = (
    f"{PAPER.held:.0%} of the training videos are held out, to search the weights of late fusion on them, where the "
    "paper trains on all and prints no weights"
)


def _of(column: str) -> tuple[Cells, ...]:
    """Tables 12 and 13, the means of three splits, without the rows that are not run."""
    return tuple(Cells(table=table, columns=(column,), splits=(1, 2, 3)) for table in ("12", "13"))


PROTOCOLS = (
    Protocol(
        data_set="ucf101",
        start=IMAGENET,
        where="sections 5.1.6, 5.5 and 5.7.1, tables 4, 9 and 11 to 13",
        cells=(*(Cells(table=table) for table in ("4", "9", "11")), *_of("UCF101")),
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
