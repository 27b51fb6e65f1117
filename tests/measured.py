"""A record from values by hand, for tests of verdicts and tables."""

from collections.abc import Mapping, Sequence

from videoattn.engine.record import Record

VIDEOS = 2000


def measured(paper: str, values: Mapping[str, Sequence[float]], metric: str = "top1", **changes) -> Record:
    """A record with a value for each row and seed, of as many test videos as two rows need to be told apart."""
    results = [
        {"job": row, "seed": seed, "metrics": {row: {metric: value, "videos": VIDEOS}}, "wall_s": 1.0}
        for row, seeds in values.items()
        for seed, value in enumerate(seeds)
    ]
    fields = {"profile": "quick", "digest": "0", "parameters": {}, "recipe": {}}
    data = {"train": 160, "test": VIDEOS, "classes": ["a", "b"]}
    return Record(**({"paper": paper, "data": data, "results": results} | fields | changes))
