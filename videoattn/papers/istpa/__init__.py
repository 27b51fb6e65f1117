"""Interaction-aware spatio-temporal pyramid attention: Hu, Liu, Du, Yuan, Li, Maybank."""

DATA_SETS = ("folder", "ucf101", "cifar100")
