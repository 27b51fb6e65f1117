"""The chain of section 5.7: networks of a run on Kinetics, of which on UCF101 the last layer alone is trained."""

import functools

import pytest

from videoattn.engine import checkpoint
from videoattn.engine.record import Record
from videoattn.engine.task import fresh_network
from videoattn.errors import InputError


@pytest.fixture
def study(study_of, ucf101):
    return functools.partial(study_of, "cma", DATASET="ucf101", DATA=str(ucf101), PROFILE="paper")


def test_without_a_run_the_protocol_says_what_is_needed(study):
    with pytest.raises(InputError, match=r"trained on kinetics400 \(section 5.7, table 6\): give INIT="):
        study()


def test_the_last_layer_of_a_run_on_kinetics_is_trained(study, tmp_path):
    first = study(PRETRAINED="false", JOBS="rgb", PROFILE="quick")  # stands in for one on Kinetics
    network, _ = fresh_network(first.task("rgb", 0))
    run = tmp_path / "run"
    Record("cma", "paper", "0123456789", {"DATASET": "kinetics400"}, {}, {}, complete=True).save(run)
    checkpoint.save(run / "checkpoints" / "rgb-seed0.pt", {"model": network.state_dict()})
    own = study(INIT=str(run), JOBS="transfer-rgb")
    assert [(job.name, job.after, job.initial) for job in own.jobs] == [("transfer-rgb", (), "")]
    assert (own.start.name, own.plan["init"]) == ("kinetics400", {"name": "kinetics400", "of": "0123456789"})
    assert own.jobs[0].recipe.epochs == 30
    whole = study(INIT=str(run))
    assert [job.name for job in whole.jobs] == ["transfer-rgb", "transfer-flow", "transfer-cma-1"]
    with pytest.raises(InputError, match="holds no network 'flow'; it holds rgb"):
        fresh_network(whole.task("transfer-flow", 0))
