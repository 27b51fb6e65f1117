"""Rows of the results."""

from videoattn.engine.experiment import Row

# Section 5.2: equal weights for two streams; 5 : 1 for the branch trained last.
ROWS = (
    Row("rgb", (("rgb", "rgb", 1),)),
    Row("flow", (("flow", "flow", 1),)),
    Row("two-stream", (("rgb", "rgb", 1), ("flow", "flow", 1))),
    Row("rgb-nl", (("rgb-nl", "rgb", 1),)),
    Row("rgb-nl-S", (("rgb-nl", "rgb", 1), ("flow", "flow", 1))),
    Row("flow-nl", (("flow-nl", "flow", 1),)),
    Row("two-stream-nl", (("rgb-nl", "rgb", 1), ("flow-nl", "flow", 1))),
    Row("cma-1-R", (("cma-1", "rgb", 1),)),
    Row("cma-1-F", (("cma-1", "flow", 1),)),
    Row("cma-1-S", (("cma-1", "rgb", 5), ("cma-1", "flow", 1))),
    Row("cma-2-R", (("cma-2", "rgb", 1),)),
    Row("cma-2-F", (("cma-2", "flow", 1),)),
    Row("cma-2-S", (("cma-2", "rgb", 1), ("cma-2", "flow", 5))),
    Row("cma-3-R", (("cma-3", "rgb", 1),)),
    Row("cma-3-F", (("cma-3", "flow", 1),)),
    Row("cma-3-S", (("cma-3", "rgb", 5), ("cma-3", "flow", 1))),
    Row("cma-1-nl-R", (("cma-1-nl", "rgb", 1),)),
    Row("cma-1-nl-S", (("cma-1-nl", "rgb", 5), ("cma-1-nl", "flow", 1))),
    Row("cma-1-circular-R", (("cma-1-circular", "rgb", 1),)),
    Row("p3d-R", (("p3d-rgb", "rgb", 1),)),
    Row("p3d-F", (("p3d-flow", "flow", 1),)),
    Row("p3d-S", (("p3d-rgb", "rgb", 1), ("p3d-flow", "flow", 1))),
    Row("p3d-cma-1-R", (("p3d-cma-1", "rgb", 1),)),
    Row("p3d-cma-1-S", (("p3d-cma-1", "rgb", 5), ("p3d-cma-1", "flow", 1))),
    Row("transfer-R", (("transfer-rgb", "rgb", 1),)),
    Row("transfer-F", (("transfer-flow", "flow", 1),)),
    Row("transfer-S", (("transfer-rgb", "rgb", 1), ("transfer-flow", "flow", 1))),
    Row("transfer-cma-1-R", (("transfer-cma-1", "rgb", 1),)),
    Row("transfer-cma-1-S", (("transfer-cma-1", "rgb", 5), ("transfer-flow", "flow", 1))),
)

# What the README shows: (label, row of the results).
HEADLINE = (
    ("RGB alone", "rgb"),
    ("flow alone", "flow"),
    ("two-stream", "two-stream"),
    ("two-stream, non-local blocks in RGB", "rgb-nl-S"),
    ("CMA, RGB scores", "cma-1-R"),
    ("CMA, both scores", "cma-1-S"),
    ("CMA, RGB scores, flow moved by half a frame", "cma-1-R-moved-flow"),
    ("CMA, RGB scores, circular padding", "cma-1-circular-R"),
)
