r"""The protocols of recurrent criss-cross attention on real data sets: C. Cao et al., sections 4.1 to 4.6.

All of section 4.2 holds on each of them (the profile `paper`). MF-Net's rows of table 5 stand nowhere beside the
paper's: no file of its ImageNet weights is read here, so that it starts at random. How many clips of a video test it is
not printed; here it is one. Rows that the paper cites are left out; TSM and TSM + NL of table 9 are the means of three
splits of what section 4.2 calls "our own implementation". How many epochs fine-tuning takes is not printed; it is as
long as any training here.
"""

from dataclasses import replace

from videoattn.engine.protocol import IMAGENET, Cells, Protocol
from videoattn.papers.rcca.recipe import PAPER
from videoattn.reporting.printed import lines

NAMES = {"ucf101": "UCF101", "hmdb51": "HMDB51"}
COMPARED = tuple(line.ours for line in lines("rcca", "5", columns=("UCF101",)))
PRE_TRAINED = tuple(line.ours for line in lines("rcca", "6", columns=("Mini-Kinetics",)))  # section 4.5
KINETICS = ("tsm-none", "tsm-r3")  # tables 7 and 8
SPLITS = {"S1": (1,), "S2": (2,), "S3": (3,), "Avg": (1, 2, 3)}


def _table_8(data_set: str, start: str) -> tuple[Cells, ...]:
    """The columns of a data set: its splits and their mean."""
    row = f"TSM + RCCA-3D {start}"
    return tuple(
        Cells(table="8", columns=(f"{data_set} {name}",), rows=(row,), splits=splits) for name, splits in SPLITS.items()
    )


def _small(data_set: str) -> tuple[Protocol, ...]:
    """UCF101 or HMDB51: from ImageNet weights, or fine-tuned from a run on Kinetics."""
    name = NAMES[data_set]
    ablated = data_set == "ucf101"  # section 4.1: on its first split
    return (
        Protocol(
            data_set=data_set,
            start=IMAGENET,
            where=f"sections 4.2 to {'4.4, tables 1 to 5' if ablated else '4.6, tables 5'}, 8 and 9",
            changes={} if ablated else {"jobs": COMPARED},
            cells=(
                *(Cells(table=table) for table in ("1", "2", "3", "4") if ablated),
                Cells(table="5", columns=(name,), rows=("TSM", "TSM+NL*1", "TSM+RCCA*1")),
                *_table_8(name, "ImageNet"),
                Cells(table="9", columns=(name,), rows=("TSM", "TSM + NL", "TSM + RCCA-3D"), splits=(1, 2, 3)),
            ),
        ),
        Protocol(
            data_set=data_set,
            start="mini_kinetics",
            where="section 4.5, table 6",
            changes={"jobs": PRE_TRAINED},
            cells=(Cells(table="6", columns=(name,)),),
        ),
        Protocol(
            data_set=data_set,
            start="kinetics400",
            where="section 4.5, tables 8 and 9",
            changes={"jobs": KINETICS},
            cells=(
                *_table_8(name, "Kinetics-400"),
                Cells(table="9", columns=(name,), rows=("TSM + RCCA-3D*",)),
            ),
        ),
    )


PROTOCOLS = (
    *_small("ucf101"),
    *_small("hmdb51"),
    Protocol(
        data_set="mini_kinetics",
        start=IMAGENET,
        where="section 4.5, table 6",
        changes={"jobs": PRE_TRAINED},
        cells=(Cells(table="6", columns=("Mini-Kinetics",)),),
    ),
    Protocol(
        data_set="kinetics400",
        start=IMAGENET,
        where="section 4.5, table 7",
        changes={
            "jobs": KINETICS,
            # "The maximum batch size of our experiments is 32"; accumulated to 128, as section 4.2 has it for all.
            "recipe": replace(PAPER.recipe, accumulation=4),
            "crops": (1,),  # tested with 1 crop besides 10
        },
        cells=(Cells(table="7"), Cells(table="9", columns=("Kinetics",))),
    ),
)
