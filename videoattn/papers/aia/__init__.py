"""Attention in attention: Hao, Wang, Cao, Gao, Xu, Wu, He (IEEE TCSVT, 2022)."""

from videoattn.data.datasets import VIDEOS

DATA_SETS = VIDEOS
