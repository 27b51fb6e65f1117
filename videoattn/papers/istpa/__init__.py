"""Interaction-aware spatio-temporal pyramid attention: Hu, Liu, Du, Yuan, Li, Maybank."""

from videoattn.data.datasets import VIDEOS

DATA_SETS = (*VIDEOS, "cifar100")
