"""A run is trained by one process at a time."""

import os
from dataclasses import replace

import pytest
from tiny import Clips, Net

from videoattn.engine.experiment import Job, Row
from videoattn.engine.parameters import check
from videoattn.engine.study import Study
from videoattn.errors import RunError
from videoattn.io import locked


class Data:
    """Notes whether a training asked for it."""

    asked = False

    def train(self, job: Job, seed: int) -> Clips:
        self.asked = True
        return Clips()

    def description(self) -> dict:
        self.asked = True
        return {}


def test_a_run_that_another_process_has_is_not_begun(tmp_path, monkeypatch):
    parameters = replace(check("cma", {}, ()), runs=tmp_path)
    jobs, rows = (Job("a", None, "rgb"),), (Row("a", (("a", "rgb", 1),)),)
    own = Study("cma", parameters, {}, jobs, rows, (0,), build=lambda job, weights: Net(), data=Data())
    monkeypatch.setattr(Study, "folder", tmp_path / "run")
    with locked(tmp_path / "run" / ".lock", busy=""), pytest.raises(RunError) as error:
        own.run()
    told = f"another process works on this run, {tmp_path / 'run'}: wait for it, then the same command goes on"
    assert str(error.value) == told
    assert not own.data.asked
    assert os.listdir(tmp_path / "run") == [".lock"]
