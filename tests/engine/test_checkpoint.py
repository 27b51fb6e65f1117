"""Checkpoints: whole or absent, and never executed."""

import os
import pickle
import resource
from pathlib import Path

import pytest
import torch

from videoattn.engine import checkpoint
from videoattn.errors import RunError

STATE = {"identity": "x", "rows": [{"epoch": 1, "loss": 0.5}], "model": {"w": torch.arange(6.0).view(2, 3)}}


class Touch:
    """Pickled, it creates a file when it is loaded."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Unsaved:
    """Cannot be saved."""

    def __reduce__(self):
        raise RuntimeError("meta")


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


def test_a_full_disk_is_named_and_leaves_the_checkpoint_from_before(tmp_path):
    path = tmp_path / "x.pt"
    checkpoint.save(path, STATE)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    state = {"model": {"w": torch.arange(100_000.0)}}
    for room in (0, 100, 10_000, 400_000, 401_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            with pytest.raises(RunError, match=r"x\.pt could not be written: File too large; the file from before"):
                checkpoint.save(path, state)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.pt"]


def test_other_errors_pass_through(tmp_path):
    with pytest.raises(RuntimeError, match="meta"):
        checkpoint.save(tmp_path / "x.pt", {"w": Unsaved()})
    assert os.listdir(tmp_path) == []


def test_a_checkpoint_is_not_copied_in_memory(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(torch, "save", lambda state, file: written.append(file.name))
    checkpoint.save(tmp_path / "x.pt", STATE)
    assert written == [str(tmp_path / f".x.pt.{os.getpid()}.part")]
