"""The videos that a user names by DATASET, DATA, SPLIT and ALLOW_MISSING."""

from videoattn.data.datasets.splits import Lists, load_splits
from videoattn.engine.parameters import Parameters


def user_lists(parameters: Parameters) -> Lists:
    """The training and the test videos; raises `InputError` where the data set is not as it should be."""
    return load_splits(
        parameters.dataset, parameters.data, split=parameters.split, allow_missing=parameters.allow_missing
    )
