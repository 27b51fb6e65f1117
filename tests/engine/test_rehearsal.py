"""Rehearsals: as many steps and test videos as are asked for, and not one more; and starts from another run."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import CLASSES, RECIPE, Clips, Net, train
from torch import nn

from videoattn.engine import checkpoint
from videoattn.engine.experiment import Job, Row
from videoattn.engine.loop import Shuffle
from videoattn.engine.parameters import check
from videoattn.engine.protocol import Start
from videoattn.engine.recipe import rehearsed
from videoattn.engine.study import Study
from videoattn.errors import InputError


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 5))
def test_an_epoch_ends_after_its_steps(length, batch, steps):
    whole = list(Shuffle(length, 3, batch))
    cut = list(Shuffle(length, 3, batch, steps))
    assert cut == whole[: steps * batch]


def test_a_training_reads_the_videos_of_its_steps_alone(tmp_path):
    seen = set()
    at = {(epoch, i): lambda key=(epoch, i): seen.add(key) for epoch in range(4) for i in range(16)}
    (row,) = train(tmp_path / "x.pt", data=Clips(at=at), recipe=rehearsed(RECIPE, 1))
    assert len(seen) == RECIPE.batch_size
    assert {epoch for epoch, _ in seen} == {0}
    assert row["lr"] == RECIPE.lr
    assert rehearsed(RECIPE, 0) == RECIPE


LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


class Views(Clips):
    """One view of each video."""

    def __getitem__(self, i):
        clip, label = super().__getitem__((99, i))
        return {"rgb": clip["rgb"][None]}, label


def study(root, **changes) -> Study:
    steps = changes.pop("steps", 0)
    own = {
        "paper": "cma",
        "parameters": replace(check("cma", {"STEPS": steps}, ()), runs=root),
        "plan": {"steps": steps},
        "jobs": (Job("a", rehearsed(RECIPE, steps), "rgb", initial="a"), Job("b", None, "flow")),
        "rows": (Row("a+b", (("a", "rgb", 1), ("b", "flow", 1))),),
        "seeds": (0,),
        "build": lambda job, weights: Net(random=False),
        "data": SimpleNamespace(train=lambda j, s: Clips(), test=lambda j: Views(6), description=dict),
        "scored": lambda job, seed: {
            "flow": torch.eye(CLASSES)[[0, 1, 2, 0, 1, 2]],
            "labels": torch.tensor([0, 1, 2] * 2),
        },
    }
    return Study(**own | changes)


def test_tests_of_a_rehearsal_end_after_as_many_videos(tmp_path):
    record = study(tmp_path, steps=2).run()
    assert record.results[-1]["metrics"]["a+b"]["videos"] == 2
    assert study(tmp_path).run().results[-1]["metrics"]["a+b"]["videos"] == 6


def test_networks_start_from_those_of_a_run(tmp_path):
    first = study(tmp_path)
    first.run()
    start = Start("probe", first.folder, first.digest)
    second = study(tmp_path, start=start, plan=start.plan())
    network, told = second.fresh(second.job("a"), 0)
    trained = first.files.weights("a", 0)
    assert all(value.equal(trained[name]) for name, value in network.state_dict().items())
    assert told.startswith("a-seed0.pt: 4 of 4 tensors loaded")
    record = second.run()
    assert record.results[0]["initial"] == told
    assert "initial" not in record.results[1]  # trains no network
    assert record.recipe["init"] == {"name": "probe", "of": first.digest}


def test_a_job_without_a_place_in_the_run_is_told_before_anything_is_trained(tmp_path):
    first = study(tmp_path)
    first.run()
    other = study(
        tmp_path, start=Start("probe", first.folder), plan={}, jobs=(Job("z", RECIPE, "rgb", initial="z"),), rows=()
    )
    with pytest.raises(InputError, match="holds no network 'z'; it holds a"):
        other.run()
    assert [path.name for path in other.folder.iterdir()] == [".lock"]


def test_earlier_jobs_may_be_those_of_the_run_alone(tmp_path):
    first = study(tmp_path)
    first.run()

    def build(job, weights):
        net = Net(random=False)
        net.load_state_dict(weights("a"))
        return net

    second = study(
        tmp_path, start=Start("probe", first.folder), plan={}, jobs=(Job("t", RECIPE, "rgb"),), rows=(), build=build
    )
    network, told = second.fresh(second.job("t"), 0)
    assert told == ""
    assert network.state_dict()["layers.0.weight"].equal(first.files.weights("a", 0)["layers.0.weight"])


def test_the_last_layer_comes_along_on_the_same_data_set_alone(tmp_path):
    def build(*_) -> nn.Module:
        layers = Net(random=False).layers
        return nn.ModuleDict({"conv1": layers[0], "fc": layers[-1]})

    checkpoint.save(tmp_path / "net.pt", {"model": build().state_dict()})
    for name, whole in (("file", True), ("probe", True), ("kinetics400", False)):
        own = study(tmp_path, start=Start(name, tmp_path / "net.pt"), build=build)
        _, told = own.fresh(own.job("a"), 0)
        assert told.startswith("net.pt: 4 of 4" if whole else "net.pt: 2 of 4")


def test_a_file_that_init_names_is_named_where_it_does_not_fit(tmp_path):
    path = tmp_path / "net.pt"
    own = study(tmp_path, start=Start("file", path))
    state = Net(random=False).state_dict()
    checkpoint.save(path, {"model": {name: torch.zeros(1, 2, 3) for name in state}})
    with pytest.raises(InputError, match=rf"^INIT is {path}: weights of the file have other shapes than the network"):
        own.fresh(own.job("a"), 0)
    checkpoint.save(path, {"model": {"other": torch.zeros(2)}})
    with pytest.raises(InputError, match=rf"^INIT is {path}: the file has 0% of the network's weights"):
        own.fresh(own.job("a"), 0)


def test_a_damaged_file_of_init_is_a_wrong_value(tmp_path):
    path = tmp_path / "net.pt"
    path.write_bytes(b"PK")
    told = rf"^INIT: {path} is no file of tensors, or only a part of one"
    own = study(tmp_path, start=Start("file", path))
    with pytest.raises(InputError, match=told):
        own.fresh(own.job("a"), 0)
    other = study(tmp_path, start=Start("file", path), build=lambda job, weights: weights("earlier"))
    with pytest.raises(InputError, match=told):
        other.fresh(other.job("a"), 0)
