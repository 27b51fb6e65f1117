"""Efficient spatiotemporal context modelling with recurrent 3D criss-cross attention: Cao et al. (2021)."""

from videoattn.data.datasets import VIDEOS

DATA_SETS = VIDEOS
