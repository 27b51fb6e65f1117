"""Attention in attention: Hao, Wang, Cao, Gao, Xu, Wu, He (IEEE TCSVT, 2022)."""

DATA_SETS = ("folder", "ucf101")
