r"""The protocols of recurrent criss-cross attention on real data sets: C. Cao et al., sections 4.1 to 4.6.

All of section 4.2 holds on each of them (the profile `paper`). MF-Net's rows of table 5 stand nowhere beside the
paper's: no file of its ImageNet weights is read here, so that it starts at random. How many clips of a video test it is
not printed; here it is one. Rows that the paper cites are left out; TSM and TSM + NL of table 9 are the means of three
splits of what section 4.2 calls "our own implementation". How many epochs fine-tuning takes is not printed; it is as
long as any training here.
"""

from dataclasses import replace

from videoattn.engine.protocol import IMAGENET, Cells, Protocol
from videoattn.papers.rcca.comparison import TABLE_5, tables
from videoattn.papers.rcca.recipe import PAPER

TABLES = tuple(Cells(table=table, lines=lines) for table, lines in tables("tsm-").items())  # tables 1 to 4
NAMES = {"ucf101": "UCF101", "hmdb51": "HMDB51", "mini_kinetics": "Mini-Kinetics"}
PRE_TRAINED = {"TSM": "tsm-none", "TSM + NL": "tsm-nl-conv4_5", "TSM + RCCA-3D": "tsm-r3"}  # table 6, section 4.5
KINETICS = ("tsm-none", "tsm-r3")  # tables 7 and 8
COMPARED = {"TSM": "tsm-none", "TSM + NL": "tsm-nl", "TSM + RCCA-3D": "tsm-r3"}  # table 9
SPLITS = {"S1": (1,), "S2": (2,), "S3": (3,), "Avg": (1, 2, 3)}


def _table_8(data_set: str, start: str) -> tuple[Cells, ...]:
    """The columns of a data set: its splits and their mean."""
    row = f"TSM + RCCA-3D {start}"
    return tuple(
        Cells(table="8", splits=splits, lines=((row, f"{data_set} {name}", "tsm-r3"),))
        for name, splits in SPLITS.items()
    )


def _table_6(data_set: str) -> Cells:
    return Cells(table="6", lines=tuple((row, NAMES[data_set], job) for row, job in PRE_TRAINED.items()))


def _small(data_set: str) -> tuple[Protocol, ...]:
    """UCF101 or HMDB51: from ImageNet weights, or fine-tuned from a run on Kinetics."""
    name = NAMES[data_set]
    table_5 = Cells(table="5", lines=tuple((row, name, job) for row, _, job in TABLE_5 if job.startswith("tsm-")))
    table_9 = Cells(table="9", splits=(1, 2, 3), lines=tuple((row, name, job) for row, job in COMPARED.items()))
    ablated = data_set == "ucf101"  # section 4.1: on its first split
    return (
        Protocol(
            data_set=data_set,
            start=IMAGENET,
            where=f"sections 4.2 to {'4.4, tables 1 to 5' if ablated else '4.6, tables 5'}, 8 and 9",
            changes={} if ablated else {"jobs": tuple(job for _, _, job in TABLE_5)},
            cells=(
                *(TABLES if ablated else ()),
                table_5,
                *_table_8(name, "ImageNet"),
                table_9,
            ),
        ),
        Protocol(
            data_set=data_set,
            start="mini_kinetics",
            where="section 4.5, table 6",
            changes={"jobs": tuple(PRE_TRAINED.values())},
            cells=(_table_6(data_set),),
        ),
        Protocol(
            data_set=data_set,
            start="kinetics400",
            where="section 4.5, tables 8 and 9",
            changes={"jobs": KINETICS},
            cells=(
                *_table_8(name, "Kinetics-400"),
                Cells(table="9", lines=(("TSM + RCCA-3D*", name, "tsm-r3"),)),
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
        changes={"jobs": tuple(PRE_TRAINED.values())},
        cells=(_table_6("mini_kinetics"),),
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
        cells=(
            Cells(
                table="7",
                lines=(("TSM + RCCA-3D", "10-crop", "tsm-r3"), ("TSM + RCCA-3D", "1-crop", "tsm-r3 1-crop")),
            ),
            Cells(table="9", lines=(("TSM + RCCA-3D", "Kinetics", "tsm-r3"),)),
        ),
    ),
)
