r"""The protocols of cross-modality attention on real data sets: L. Chi et al., sections 4.3 to 5.7.

All of section 4.4 holds on both (the profile `paper`). P3D's rows of table 5 stand nowhere beside the paper's: its
authors' Caffe model, from which it starts, is not read here, so that it starts at random; 12 frames are not run. How
long the flow branch and what is not trained in turns are trained is not printed; it is as long as one turn. Which
splits of UCF101 table 6 is about is not printed either; it is taken for the mean of the three.
"""

from videoattn.engine.protocol import IMAGENET, Cells, Protocol
from videoattn.papers.cma.comparison import TABLE_1, TABLE_4, TABLE_6
from videoattn.papers.cma.recipe import PAPER


def _top_five(lines: tuple[tuple[str, str, str], ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple((row, column.replace("top-1", "top-5"), job) for row, column, job in lines)


TABLE_2 = (("ResNet50-R", "top-1", "rgb"), ("two-stream", "top-1", "two-stream"), ("CMA_iter1-R", "top-1", "cma-1-R"))
PROTOCOLS = (
    Protocol(
        data_set="kinetics400",
        start=IMAGENET,
        where="sections 5.3 to 5.5, tables 1, 2 and 4",
        changes={"jobs": PAPER.jobs},
        cells=tuple(
            Cells(table=table, lines=own, metric=metric)
            for table, lines in (("1", TABLE_1), ("2", TABLE_2), ("4", TABLE_4))
            for own, metric in ((lines, "top1"), (_top_five(lines), "top5"))
        ),
    ),
    Protocol(
        data_set="ucf101",
        start="kinetics400",
        where="section 5.7, table 6",
        changes={"jobs": ("transfer-rgb", "transfer-flow", "transfer-cma-1")},
        cells=(Cells(table="6", splits=(1, 2, 3), lines=TABLE_6),),
    ),
)
