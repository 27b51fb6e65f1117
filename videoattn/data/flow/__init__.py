"""Optical flow, computed once and kept."""
