r"""The protocols of attention before and after on real data sets: Z. Zhou et al., section IV.

Training is that of section IV-A on all of them (the profile `paper`). "imagenet" stands here for weights of the user's
file: the paper's 2D part starts from those that TSN's authors trained on Kinetics-400, which lie in the same place.
Table III, of one split, and the rows of other papers are left out. Dropout and epochs of fine-tuning are "adjusted
according to the size of data sets", to what is not printed: here they stay.
"""

from videoattn.engine.protocol import IMAGENET, Cells, Protocol
from videoattn.reporting.printed import lines

BEFORE = (
    "the 3D part starts at random, where the paper takes a 3D ResNet-18 trained on Kinetics-400; the weights of the 2D "
    "part are the paper's only if your file holds those of BN-Inception trained on Kinetics-400 (section IV-A); what "
    "is tested on Kinetics-400 is its validation set, where table IV says test set"
)
ACCURACIES = tuple(line.ours for line in lines("banet", "II", columns=("UCF101",)))


def _tuned(data_set: str, column: str) -> Protocol:
    return Protocol(
        data_set=data_set,
        start="kinetics400",
        where="section IV-A, table II",
        changes={"jobs": ACCURACIES},
        cells=(Cells(table="II", columns=(column,), splits=(1, 2, 3)),),
        departs=BEFORE,
    )


PROTOCOLS = (
    Protocol(
        data_set="kinetics400",
        start=IMAGENET,
        where="section IV-A, tables IV to VII",
        cells=tuple(Cells(table=table) for table in ("IV", "V", "VI", "VII")),
        departs=BEFORE,
    ),
    _tuned("ucf101", "UCF101"),
    _tuned("hmdb51", "HMDB51"),
)
