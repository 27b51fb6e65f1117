r"""The protocols of pyramid attention on real data sets: W. Hu et al., section 5, RGB alone.

The paper counts 12,000 steps of 64 videos, and lowers the learning rate every 4,000: so the epochs differ with the size
of the data set. Rows that the paper cites are left out, and so are BN-Inception's "RGB stream" of table 15 and table 5,
whose 95.1 is the late fusion of table 4.
"""

from dataclasses import replace

from videoattn.data.clips.settings import ClipSettings
from videoattn.engine.protocol import IMAGENET, SCRATCH, Cells, Protocol
from videoattn.papers.istpa.recipe import CHARADES, DENSE, IMAGES, PAPER, SHIFTED, epochs

# Section 5, ResNet-50: 0.01, a tenth of it from epochs 40 and 80 on, 100 epochs in all.
RESNET = {
    "backbone": "resnet",
    "recipe": replace(PAPER.recipe, epochs=100, lr=0.01, schedule="steps 40 80"),
    # The second strategy: a frame of each of 8 segments, tested with 25 frames and, by table 14, 10 crops.
    "clips": ClipSettings(frames=8, size=224, short_side=256, test_crops=10),
    # The third strategy, of networks with temporal shifts.
    "dense": DENSE,
    "tested": (),
}
LOSSES = ("entire loss", "interaction-aware loss", "pyramid attention loss", "no loss")
BN_INCEPTION = tuple(f"BN-Inception 3 scales {loss}" for loss in LOSSES)  # of table 15


def steps(videos: int) -> dict:
    """The recipe for a data set with so many training videos: 12,000 steps, the rate lowered after 4,000 and 8,000."""
    return {"recipe": replace(PAPER.recipe, **epochs(videos, 12_000, 4_000, 8_000))}


PROTOCOLS = (
    Protocol(
        data_set="ucf101",
        start=IMAGENET,
        where="sections 5.1 and 5.2, tables 1 to 4 and 9",
        cells=tuple(Cells(table=table) for table in ("1", "2", "3", "4", "9")),
    ),
    Protocol(
        data_set="hmdb51",
        start=IMAGENET,
        where="section 5.7.1",
        changes={"jobs": ("mean", "both", "bn-mean", "bn-both"), **steps(3570)},
    ),
    Protocol(
        data_set="kinetics400",
        start=IMAGENET,
        where="section 5.7.2, table 14",
        changes={"jobs": ("mean", "both", *SHIFTED), **RESNET},
        cells=(Cells(table="14"),),
    ),
    Protocol(
        data_set="charades",
        start=SCRATCH,  # "BN-inception without pre-training"
        where="section 5.7.3, table 15",
        changes={"jobs": CHARADES, "tested": (), **steps(7985)},
        cells=(Cells(table="15", rows=BN_INCEPTION),),
    ),
    Protocol(
        data_set="charades",
        start="kinetics400",
        where="section 5.7.3, table 15",
        changes={"jobs": SHIFTED, **RESNET},
        cells=(Cells(table="15", rows=("ResNet-50",)),),
    ),
    Protocol(
        data_set="cifar100",
        start=IMAGENET,
        where="section 5.1.4, table 6",
        changes=IMAGES["paper"] | steps(50_000),
        cells=(Cells(table="6"),),
    ),
)
