"""Two-stream video classification with cross-modality attention: Chi, Tian, Mu, Tian (ICCV Workshops 2019)."""

DATA_SETS = ("folder", "ucf101")
