"""A worker's function that a worker can import fast."""

from videoattn.data.tracks.features import compute


def compute_only_the_first(settings, decoder, video, target):
    """Stands for a worker that never ends the second video."""
    while video.name != "0.mp4":
        pass
    compute(settings, decoder, video, target)
