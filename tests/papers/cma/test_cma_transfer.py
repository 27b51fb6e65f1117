"""The chain of section 5.7: networks of a run on Kinetics, of which on UCF101 the last layer alone is trained."""

import pytest
from layouts import put

from videoattn.engine import checkpoint
from videoattn.engine.parameters import check
from videoattn.engine.record import Record
from videoattn.errors import InputError
from videoattn.papers import data_sets
from videoattn.papers.cma.experiments import study


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


def given(root, **values):
    return check("cma", {"DATASET": "ucf101", "DATA": str(root), "PROFILE": "paper"} | values, data_sets("cma"))


def test_without_a_run_the_protocol_says_what_is_needed(ucf101):
    with pytest.raises(InputError, match=r"trained on kinetics400 \(section 5.7, table 6\): give INIT="):
        study(given(ucf101))


def test_the_last_layer_of_a_run_on_kinetics_is_trained(ucf101, tmp_path):
    first = study(given(ucf101, PRETRAINED="false", JOBS="rgb", PROFILE="cpu"))  # stands in for one on Kinetics
    network, _ = first.fresh(first.job("rgb"), 0)
    run = tmp_path / "run"
    Record("cma", "paper", "0123456789", {"DATASET": "kinetics400"}, {}, {}, complete=True).save(run)
    checkpoint.save(run / "checkpoints" / "rgb-seed0.pt", {"model": network.state_dict()})
    own = study(given(ucf101, INIT=str(run), PROFILE="paper", JOBS="transfer-rgb"))
    assert [(job.name, job.after, job.initial) for job in own.jobs] == [("transfer-rgb", (), "")]
    assert (own.start.name, own.plan["init"]) == ("kinetics400", {"name": "kinetics400", "of": "0123456789"})
    assert own.jobs[0].recipe.epochs == 30
    whole = study(given(ucf101, INIT=str(run), PROFILE="paper"))
    assert [job.name for job in whole.jobs] == ["transfer-rgb", "transfer-flow", "transfer-cma-1"]
    with pytest.raises(InputError, match="holds no network 'flow'; it holds rgb"):
        whole.fresh(whole.job("transfer-flow"), 0)
