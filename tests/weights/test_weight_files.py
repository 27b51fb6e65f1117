"""Files of weights: what is read of which, and that nothing in them is executed."""

import argparse
import collections
import dataclasses
import datetime
import enum
import functools
import importlib
import os
import pathlib
import pickle
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from videoattn.engine import checkpoint
from videoattn.errors import InputError
from videoattn.weights.files import PLACES, read_weights

STATE = {"conv1.weight": torch.arange(6.0).view(2, 3), "bn1.num_batches_tracked": torch.tensor(7)}


class Call:
    """Pickled, it calls a function with an argument when it is loaded."""

    def __init__(self, function: Callable, argument: object):
        self.call = function, (argument,)

    def __reduce__(self):
        return self.call


def legacy(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


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


CODE = {  # what a malicious file may hold; each leaves a trace where it is executed
    "a call": (exec, "open({path!r}, 'w').close()"),
    "an expression": (eval, "open({path!r}, 'w').close()"),
    "a process": (subprocess.check_call, ["touch", "{path}"]),
    "a method": (Path.touch, Path("{path}")),
}


@pytest.mark.parametrize("save", [torch.save, legacy])
@pytest.mark.parametrize("code", CODE)
@pytest.mark.parametrize("place", ["hook", "state_dict"])
def test_nothing_is_executed(tmp_path, save, code, place):
    path, trace = tmp_path / "x.pth", tmp_path / "executed"
    function, argument = CODE[code]
    if isinstance(argument, list):
        argument = [part.format(path=trace) for part in argument]
    else:
        argument = type(argument)(str(argument).format(path=str(trace)))
    save({"state_dict": STATE} | {place: Call(function, argument)}, path)
    if code == "a method":
        told = r"x\.pth needs getattr, and nothing in a file is executed here; .* save the state dict alone"
    else:
        told = rf"x\.pth holds a dict of state_dict \(\w+\.{function.__name__}\); a state dict is expected"
    if place == "hook" and code != "a method":
        weights = read_weights(path)
        assert same(weights)
        assert weights.others == ("hook",)
    else:
        with pytest.raises(InputError, match=told):
            read_weights(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()  # the file would have executed it


@pytest.mark.parametrize("save", [torch.save, legacy])
def test_calls_of_the_system_are_refused_by_name(tmp_path, save):
    save({"state_dict": STATE, "hook": Call(os.mkdir, str(tmp_path / "executed"))}, tmp_path / "x.pth")
    with pytest.raises(
        InputError, match=r"x\.pth needs posix\.mkdir, and nothing in a file is executed here; .* alone"
    ):
        read_weights(tmp_path / "x.pth")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("save", [torch.save, legacy])
def test_no_module_is_imported(tmp_path, monkeypatch, save):
    (tmp_path / "of_a_stranger.py").write_text("class Options(dict):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    options = importlib.import_module("of_a_stranger").Options(lr=0.1)
    save({"state_dict": STATE, "cfg": options}, tmp_path / "x.pth")
    del sys.modules["of_a_stranger"]
    assert same(read_weights(tmp_path / "x.pth"))
    assert "of_a_stranger" not in sys.modules
    torch.load(tmp_path / "x.pth", weights_only=False)
    assert sys.modules.pop("of_a_stranger")


@dataclasses.dataclass
class Options:
    """What a program may keep its options in."""

    lr: float = 0.1
    steps: tuple = (Path("a"), 2)


class Rate(enum.Enum):
    SLOW = 1


class Tags(list):
    """A list of its own kind."""


BESIDE = {
    "numbers": (np.float64(0.1), np.float32(0.5), np.arange(3.0), np.dtype("i8")),
    "argparse": argparse.Namespace(lr=1, out=Path("x"), counts=collections.defaultdict(list, {"a": [1]})),
    "path": Path("/a/b"),
    "path of Windows": pathlib.PureWindowsPath("c:/a"),
    "defaultdict": collections.defaultdict(int, {"a": 1, "b": 2}),
    "nested": {"deep": [collections.defaultdict(dict, {"a": collections.defaultdict(list)})]},
    "deque": collections.deque([1, 2, 3], maxlen=2),
    "named tuple": collections.namedtuple("Size", "a b"),
    "date": datetime.datetime(2020, 1, 2),
    "dataclass": Options(),
    "enum": Rate.SLOW,
    "dict of its own kind": type("Cfg", (dict,), {"__module__": "argparse"}),
    "list of its own kind": Tags([1, 2]),
    "function": functools.partial(print, 1),
    "namespace": types.SimpleNamespace(a=1),
    "frozen set": frozenset({1, 2}),
    "rest": (range(3), slice(1), {1, 2}, bytearray(b"x"), 1j, b"y"),
    "optimizer": torch.optim.SGD([torch.ones(2)], lr=0.1),
}


@pytest.mark.parametrize("save", [torch.save, legacy])
@pytest.mark.parametrize("what", BESIDE)
def test_what_lies_beside_the_weights_is_passed_over(tmp_path, monkeypatch, save, what):
    beside = BESIDE[what]
    if isinstance(beside, type):  # made for this test alone
        monkeypatch.setattr(sys.modules[beside.__module__], beside.__name__, beside, raising=False)
        beside = beside(a=1, b=Path("x"))
    save({"state_dict": STATE, "options": beside, "epoch": 3}, tmp_path / "x.pth")
    weights = read_weights(tmp_path / "x.pth")
    assert same(weights)
    assert weights.others == ("options", "epoch")


def test_a_whole_network_is_named(tmp_path):
    for content, told in (
        (nn.Linear(2, 2), r"a torch\.nn\.modules\.linear\.Linear"),
        ({"epoch": 3, "model": nn.Linear(2, 2)}, r"a dict of epoch, model \(torch\.nn\.modules\.linear\.Linear\)"),
    ):
        torch.save(content, tmp_path / "x.pth")
        with pytest.raises(InputError, match=rf"x\.pth holds {told}; a state dict is expected"):
            read_weights(tmp_path / "x.pth")
    legacy(nn.Linear(2, 2), tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"x\.pth needs the classes of a network, .* save the state dict alone"):
        read_weights(tmp_path / "x.pth")


def test_a_pickle_of_caffe2_is_called_what_it_is(tmp_path):
    content = {"blobs": {"conv1_w": np.ones((2, 3), np.float32), "res_conv1_bn_s": np.ones(2, np.float32)}}
    for name, found in (("a.pkl", content), ("b.pkl", content["blobs"])):
        (tmp_path / name).write_bytes(pickle.dumps(found, 2))
        with pytest.raises(InputError, match=rf"{name} is a pickle of Caffe2, whose layers have other names than"):
            read_weights(tmp_path / name)
    # As Python 2 writes texts.
    old = b"\x80\x02}q\x00U\x05blobsq\x01}q\x02U\x07conv1_wq\x03K\x01ss."
    assert pickle.loads(old) == {"blobs": {"conv1_w": 1}}
    (tmp_path / "x.pkl").write_bytes(old)
    with pytest.raises(InputError, match="is a pickle of Caffe2"):
        read_weights(tmp_path / "x.pkl")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_plain_pickle_is_called_what_it_is(tmp_path, protocol):
    trace = tmp_path / "executed"
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"a": np.ones(3), "b": Call(os.mkdir, str(trace))}, protocol))
    with pytest.raises(InputError, match=r"x\.pkl is a plain pickle; a state dict is expected.*written by torch\.save"):
        read_weights(tmp_path / "x.pkl")
    assert not trace.exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.float8_e5m2, torch.complex64])
def test_weights_that_are_not_finite_are_named(tmp_path, value, dtype):
    wrong = torch.ones(2, 3).to(dtype)
    wrong[1, 2] = value
    state = STATE | {"layer1.bn.running_var": wrong, "fc.weight": torch.tensor([value])}
    told = r"layer1\.bn\.running_var holds NaN or infinity \(1 of 6 values\); finite weights are expected"
    for place in (state, {"epoch": 1, "state_dict": state}):
        torch.save(place, tmp_path / "x.pth")
        with pytest.raises(InputError, match=told):
            read_weights(tmp_path / "x.pth")
    if dtype is not torch.complex64:
        save_file({"fc.weight": torch.ones(1), "layer1.bn.running_var": wrong}, tmp_path / "x.safetensors")
        with pytest.raises(InputError, match=rf"x\.safetensors: {told}"):
            read_weights(tmp_path / "x.safetensors")


def test_numbers_of_all_kinds_are_finite_where_they_are(tmp_path):
    floats = (torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64)
    state = {f"{dtype}": torch.ones(2).to(dtype) for dtype in (*floats, torch.int8, torch.int64, torch.bool)}
    state["none"] = torch.empty(0)
    torch.save(state, tmp_path / "x.pth")
    assert read_weights(tmp_path / "x.pth").keys() == state.keys()


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
