"""Files of weights: what is read of which, and that nothing in them is executed."""

import argparse
import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from videoattn.engine import checkpoint
from videoattn.errors import InputError
from videoattn.weights.files import PLACES, read_weights

STATE = {"conv1.weight": torch.arange(6.0).view(2, 3), "bn1.num_batches_tracked": torch.tensor(7)}


class Touch:
    """Pickled, it creates a folder when it is loaded."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def legacy(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def plain(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, 2))


def same(weights: dict) -> bool:
    torch.testing.assert_close(dict(weights), STATE, rtol=0, atol=0)
    return True


@pytest.mark.parametrize("name", ["x.pt", "x.pth", "x.pth.tar", "x.ckpt"])
@pytest.mark.parametrize("save", [torch.save, legacy])
def test_a_state_dict_may_be_the_whole_file(tmp_path, name, save):
    save(STATE, tmp_path / name)
    weights = read_weights(tmp_path / name)
    assert same(weights)
    assert weights.others == ()


@pytest.mark.parametrize("place", PLACES)
def test_a_state_dict_may_lie_in_a_known_place(tmp_path, place):
    rest = {"epoch": 3, "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}}, "ema_state_dict": STATE}
    torch.save({"arch": "resnet50", place: STATE, **rest}, tmp_path / "x.pth")
    weights = read_weights(str(tmp_path / "x.pth"))
    assert same(weights)
    assert weights.others == ("arch", "epoch", "optimizer", "ema_state_dict")


def test_a_name_without_weights_is_no_place(tmp_path):
    torch.save({"model": "resnet50", "module": {}, "state_dict": STATE}, tmp_path / "x.pth")
    assert same(read_weights(tmp_path / "x.pth"))


def test_our_own_checkpoints_are_read(tmp_path):
    state = {"identity": "x", "rows": [{"epoch": 1}], "model": STATE, "optimizer": {}, "schedule": {}, "scaler": None}
    checkpoint.save(tmp_path / "x.pt", state)
    weights = read_weights(tmp_path / "x.pt")
    assert same(weights)
    assert weights.others == ("identity", "rows", "optimizer", "schedule", "scaler")


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "x.safetensors")
    assert same(read_weights(tmp_path / "x.safetensors"))


@pytest.mark.parametrize("save", [torch.save, legacy, plain])
@pytest.mark.parametrize("place", ["state_dict", "hook"])
def test_code_is_refused_and_not_executed(tmp_path, save, place):
    path, trace = tmp_path / "x.pth", tmp_path / "executed"
    save({"state_dict": STATE} | {place: Touch(trace)}, path)
    code = r"\S+" if save is plain else r"posix\.mkdir"  # in plain pickles tensors need code of torch, too
    with pytest.raises(InputError, match=rf"x\.pth needs {code}, and nothing in a file is executed here"):
        read_weights(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes()) if save is plain else torch.load(path, weights_only=False)
    assert trace.exists()  # the file would have executed it


def test_what_code_is_refused_is_named(tmp_path):
    torch.save({"state_dict": STATE, "path": Path("x")}, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"x\.pth needs pathlib\.\S+, .* save the state dict alone"):
        read_weights(tmp_path / "x.pth")


@pytest.mark.parametrize("save", [torch.save, legacy])
def test_numbers_and_options_beside_the_weights_are_passed_over(tmp_path, save):
    rest = {"lr": np.float64(0.1), "best": np.float32(0.5), "losses": np.arange(3.0), "args": argparse.Namespace(lr=1)}
    save({"state_dict": STATE, **rest}, tmp_path / "x.pth")
    weights = read_weights(tmp_path / "x.pth")
    assert same(weights)
    assert weights.others == tuple(rest)


def test_the_log_of_mmengine_is_passed_over(tmp_path, monkeypatch):
    name = "mmengine.logging.history_buffer"
    for module in ("mmengine", "mmengine.logging", name):
        monkeypatch.setitem(sys.modules, module, types.ModuleType(module))

    def mean(log: object) -> float:
        return log.values.mean()

    mean.__module__, mean.__qualname__ = name, "HistoryBuffer.mean"
    sys.modules[name].HistoryBuffer = buffer = type("HistoryBuffer", (), {"__module__": name, "mean": mean})
    log = buffer()
    log.values, log.method = np.arange(3.0), buffer.mean  # mmengine keeps its methods in the log, too
    torch.save({"state_dict": STATE, "message_hub": {"log_scalars": {"loss": log}}}, tmp_path / "x.pth")
    assert same(read_weights(tmp_path / "x.pth"))


def test_a_value_of_numpy_is_no_weight(tmp_path):
    torch.save({"state_dict": STATE | {"fc.weight": np.ones(2)}}, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"x\.pth holds a dict of state_dict; a state dict is expected"):
        read_weights(tmp_path / "x.pth")


@pytest.mark.parametrize("save", [torch.save, legacy, save_file])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_named(tmp_path, save, share):
    path = tmp_path / ("x.safetensors" if save is save_file else "x.pth")
    save({"a.weight": torch.ones(100, 100)}, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=rf"{path.name} is no file of .*, or only a part of one .* a state dict is"):
        read_weights(path)


@given(st.binary(max_size=60), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x02}q\x00("]))
def test_any_other_file_is_named(tmp_path_factory, content, begin):
    for name in ("x.pth", "x.safetensors"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(begin + content)
        with pytest.raises(InputError, match=rf"{name} .* a state dict is expected"):
            read_weights(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (torch.ones(3), "a Tensor"),
        ([STATE], "a list"),
        ({}, "a dict of nothing"),
        ({"epoch": 3}, "a dict of epoch"),
        ({"state_dict": {}}, "a dict of state_dict"),
        ({"state_dict": {3: torch.ones(2)}}, "a dict of state_dict"),
        (STATE | {"epoch": 3}, r"a dict of conv1\.weight, bn1\.num_batches_tracked, epoch"),
        ({f"{i}": i for i in range(9)}, "a dict of 0, 1, 2, 3, 4, 5, 6, 7 and more"),
        ({"model": STATE, "state_dict": STATE}, "model and state_dict"),
    ],
)
def test_a_file_without_one_state_dict_says_what_it_holds(tmp_path, content, found):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(InputError, match=rf"x\.pth holds {found}; a state dict is expected, names to tensors"):
        read_weights(tmp_path / "x.pth")


@pytest.mark.parametrize("name", ["absent.pth", "absent.safetensors", "folder"])
def test_a_missing_file_is_named(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=rf"there is no file .*{name}; a state dict is expected.* under model, state_"):
        read_weights(tmp_path / name)
