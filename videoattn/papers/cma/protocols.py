r"""The protocols of cross-modality attention on real data sets: L. Chi et al., sections 4.3 to 5.7.

All of section 4.4 holds on both (the profile `paper`). P3D's rows of table 5 stand nowhere beside the paper's: its
authors' Caffe model, from which it starts, is not read here, so that it starts at random; 12 frames are not run. How
long the flow branch and what is not trained in turns are trained is not printed; it is as long as one turn. Which
splits of UCF101 table 6 is about is not printed either; it is taken for the mean of the three.
"""

from videoattn.engine.protocol import IMAGENET, Cells, Protocol
from videoattn.papers.cma.recipe import PAPER

PROTOCOLS = (
    Protocol(
        data_set="kinetics400",
        start=IMAGENET,
        where="sections 5.3 to 5.5, tables 1, 2 and 4",
        changes={"jobs": PAPER.jobs},
        cells=tuple(Cells(table=table) for table in ("1", "2", "4")),
    ),
    Protocol(
        data_set="ucf101",
        start="kinetics400",
        where="section 5.7, table 6",
        changes={"jobs": ("transfer-rgb", "transfer-flow", "transfer-cma-1")},
        cells=(Cells(table="6", splits=(1, 2, 3)),),
    ),
)
