"""Two-stream video classification with cross-modality attention: Chi, Tian, Mu, Tian (ICCV Workshops 2019)."""

from videoattn.data.datasets import VIDEOS

DATA_SETS = VIDEOS
