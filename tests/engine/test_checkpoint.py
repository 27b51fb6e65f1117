"""Checkpoints: whole or absent, and never executed."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from videoattn.engine import checkpoint
from videoattn.errors import RunError
from videoattn.io import write_atomically

STATE = {"identity": "x", "rows": [{"epoch": 1, "loss": 0.5}], "model": {"w": torch.arange(6.0).view(2, 3)}}


class Touch:
    """Pickled, it creates a file when it is loaded."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_what_is_saved_is_loaded_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "deep" / "x.pt"
    checkpoint.save(path, {"old": 1})
    checkpoint.save(path, STATE)
    loaded = checkpoint.load(path)
    torch.testing.assert_close(loaded["model"], STATE["model"], rtol=0, atol=0)
    assert (loaded["identity"], loaded["rows"]) == ("x", [{"epoch": 1, "loss": 0.5}])
    assert [p.name for p in path.parent.iterdir()] == ["x.pt"]


@pytest.mark.parametrize("write", [torch.save, lambda state, path: path.write_bytes(pickle.dumps(state, 2))])
def test_pickled_code_is_refused_and_not_executed(tmp_path, write):
    path, trace = tmp_path / "x.pt", tmp_path / "executed"
    write({"model": Touch(trace)}, path)
    with pytest.raises(RunError, match=r"x\.pt is no checkpoint of tensors and plain values"):
        checkpoint.load(path)
    assert not trace.exists()
    torch.load(path, weights_only=False) if write is torch.save else pickle.loads(path.read_bytes())
    assert trace.exists()  # the file would have executed it


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_named(tmp_path, share):
    path = tmp_path / "x.pt"
    checkpoint.save(path, STATE)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RunError, match=r"x\.pt is no checkpoint .* remove it to start again"):
        checkpoint.load(path)


@pytest.mark.parametrize("content", [b"hello, world\n", b"\x80\x02", b"PK\x03\x04" + bytes(50), bytes(500)])
def test_another_file_is_named(tmp_path, content):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"x\.pt is no checkpoint"):
        checkpoint.load(path)


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/x\.json could not be written: .*; nothing was there before"):
        write_atomically(tmp_path / "file" / "x.json", b"1")


def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_atomically(path, b"old")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match=r"x\.json could not be written: No space left on device; the file from before"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
