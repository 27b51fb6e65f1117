"""Clips: probes, decoding, sampling, augmentation, optical flow and data sets."""
