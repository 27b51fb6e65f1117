r"""The protocols of attention before and after on real data sets: Z. Zhou et al., section IV.

Training is that of section IV-A on all of them (the profile `paper`). "imagenet" stands here for weights of the user's
file: the paper's 2D part starts from those that TSN's authors trained on Kinetics-400, which lie in the same place.
Table III, of one split, and the rows of other papers are left out. Dropout and epochs of fine-tuning are "adjusted
according to the size of data sets", to what is not printed: here they stay.
"""

from videoattn.engine.protocol import IMAGENET, Cells, Protocol
from videoattn.papers.banet.comparison import COLUMN, TABLE_2, TABLE_5, TABLE_6, TABLE_7

BEFORE = (
    "the 3D part starts at random, where the paper takes a 3D ResNet-18 trained on Kinetics-400; the weights of the 2D "
    "part are the paper's only if your file holds those of BN-Inception trained on Kinetics-400 (section IV-A); what "
    "is tested on Kinetics-400 is its validation set, where table IV says test set"
)
TABLE_4 = tuple((row, COLUMN, job) for row, _, job in TABLE_2 if "16F" in row)
ACCURACIES = tuple(dict.fromkeys(job for _, _, job in TABLE_2))


def _tuned(data_set: str, column: str) -> Protocol:
    return Protocol(
        data_set=data_set,
        start="kinetics400",
        where="section IV-A, table II",
        changes={"jobs": ACCURACIES},
        cells=(Cells(table="II", splits=(1, 2, 3), lines=tuple((row, column, job) for row, _, job in TABLE_2)),),
        departs=BEFORE,
    )


PROTOCOLS = (
    Protocol(
        data_set="kinetics400",
        start=IMAGENET,
        where="section IV-A, tables IV to VII",
        cells=tuple(
            Cells(table=table, lines=lines)
            for table, lines in (("IV", TABLE_4), ("V", TABLE_5), ("VI", TABLE_6), ("VII", TABLE_7))
        ),
        departs=BEFORE,
    ),
    _tuned("ucf101", "UCF101"),
    _tuned("hmdb51", "HMDB51"),
)
