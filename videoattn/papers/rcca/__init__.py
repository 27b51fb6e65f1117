"""Efficient spatiotemporal context modelling with recurrent 3D criss-cross attention: Cao et al. (2021)."""

DATA_SETS = ("folder", "ucf101")
