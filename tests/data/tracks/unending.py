"""A worker's function that a worker can import fast."""

from videoattn.data.tracks.extraction import compute


def compute_only_the_first(job):
    """Stands for a worker that never ends the second video."""
    while job.video.name != "0.mp4":
        pass
    return compute(job)
