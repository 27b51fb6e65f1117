"""A small record, for the tests of records and tables."""

from videoattn.engine.record import Record

ENVIRONMENT = {
    "versions": {"torch": "2.0.0"},
    "hardware": {"cpu": "A CPU", "cores": 2, "memory_gib": 8},
    "commit": None,
    "clean": True,
}


def record(accuracies: dict[str, dict[int, float]], **changes) -> Record:
    """A record of CMA with a top-1 accuracy for each row and seed, as it would be written."""
    results = [
        {"job": row, "seed": seed, "metrics": {row: {"top1": top1, "top5": 1.0, "videos": 2000}}, "wall_s": 1.0}
        for row, seeds in accuracies.items()
        for seed, top1 in seeds.items()
    ]
    values = {
        "paper": "cma",
        "profile": "quick",
        "digest": "0123456789",
        "parameters": {"DATASET": "probe"},
        "recipe": {"jobs": ["rgb"]},
        "data": {"train": 20, "test": 10, "classes": ["a", "b"]},
        "results": results,
        "environment": ENVIRONMENT,
        "wall_s": 90.0,
        "complete": True,
    }
    return Record(**(values | changes))
