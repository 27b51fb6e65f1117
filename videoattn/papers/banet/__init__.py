"""Attention before and after feature extraction: Zhou, Xu, Yang."""

from videoattn.data.datasets import VIDEOS

DATA_SETS = VIDEOS
