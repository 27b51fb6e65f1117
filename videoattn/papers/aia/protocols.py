r"""The protocols of attention in attention on real data sets: Y. Hao et al., section IV.

Training is that of section IV-B on all of them (the profile `paper`). Rows that the paper cites are left out.
"""

from dataclasses import replace

from videoattn.engine.protocol import IMAGENET, Cells, Protocol
from videoattn.papers.aia.comparison import of_frames
from videoattn.papers.aia.recipe import PAPER

COMPARED = ("tsn-none", "c3d", "gst", "tsm-none", of_frames("tsn", 8), of_frames("tsm", 8))  # tables III to V
# Section IV-B: "resized with 240 x 320 for SSV1/V2 and with the short-size as 256 for others".
STRETCHED = replace(PAPER.clips, short_side=240, aspect=4 / 3)

PROTOCOLS = (
    Protocol(
        data_set="something_v1",
        start=IMAGENET,
        where="sections IV-B, IV-C and IV-F, tables I and II",
        changes={"clips": STRETCHED},
        cells=(Cells(table="I"), Cells(table="II", columns=("V1 Top-1", "V1 Top-5"))),
    ),
    Protocol(
        data_set="something_v2",
        start=IMAGENET,
        where="section IV-F, table II",
        changes={
            "clips": STRETCHED,
            "jobs": ("tsn-none", *(of_frames(k, n) for k in ("tsn", "tsm") for n in (8, 12, 16))),
        },
        cells=(Cells(table="II", columns=("V2 Top-1", "V2 Top-5")),),
    ),
    Protocol(
        data_set="diving48",
        start=IMAGENET,
        where="section IV-F, table III",
        changes={"jobs": COMPARED, "views": ()},
        cells=(Cells(table="III"),),
    ),
    Protocol(
        data_set="egtea",
        start=IMAGENET,
        where="section IV-F, table IV",
        changes={"jobs": COMPARED, "views": ()},
        cells=tuple(Cells(table="IV", columns=(f"Split{split}",), splits=(split,)) for split in (1, 2, 3)),
    ),
    Protocol(
        data_set="epic55",
        start=IMAGENET,
        where="section IV-F, table V",
        changes={"jobs": COMPARED, "views": ()},
        departs="the split of table V is the authors' own and not public; here P01 to P25 train, P26 to P31 test",
    ),
)
