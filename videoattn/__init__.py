"""Attention for video action recognition: five papers as modules, audits, probes and notebooks."""

__version__ = "0.1.0"
