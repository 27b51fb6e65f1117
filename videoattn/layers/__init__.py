"""Blocks that several papers share or compare with, and how they are put into a network."""
