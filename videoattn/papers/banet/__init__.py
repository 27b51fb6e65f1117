"""Attention before and after feature extraction: Zhou, Xu, Yang."""

DATA_SETS = ("folder", "ucf101")
