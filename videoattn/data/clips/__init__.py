"""Frames to tensors."""
