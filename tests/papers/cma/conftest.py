"""A data set in its official layout."""

import pytest
from layouts import put


@pytest.fixture
def ucf101(tmp_path):
    """Its official layout with three classes of one video for training and one for testing."""
    root = tmp_path / "ucf"
    names = ("Archery", "Punch", "YoYo")
    lists = {
        "classInd": "".join(f"{n} {name}\n" for n, name in enumerate(names, 1)),
        "trainlist01": "".join(f"{name}/v_{name}_g08_c01.avi {n}\n" for n, name in enumerate(names, 1)),
        "testlist01": "".join(f"{name}/v_{name}_g01_c01.avi\n" for name in names),
    }
    put(root, *(f"UCF-101/{name}/v_{name}_{group}_c01.avi" for name in names for group in ("g01", "g08")))
    (root / "ucfTrainTestlist").mkdir()
    for name, text in lists.items():
        (root / "ucfTrainTestlist" / f"{name}.txt").write_text(text)
    return root
