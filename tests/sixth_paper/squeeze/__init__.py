"""Squeeze-and-excitation networks, over video: Hu, Shen, Sun (CVPR 2018)."""

DATA_SETS = ("folder",)
