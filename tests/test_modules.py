"""What `videoattn` itself offers: every name, and one pass forward through each module."""

import subprocess
import sys

import pytest
import timm
import torch
from torch import nn

import videoattn
from videoattn.errors import InputError

X = torch.rand(2, 4, 3, 5, 6, generator=torch.Generator().manual_seed(0)) + 0.1  # (B, C, T, H, W), all positive
MAP = X[:, :, 0]

SAME = {  # blocks that start as the identity
    "CMABlock": (lambda m: m(channels=4, context_channels=2), (MAP, MAP[:, :2])),
    "CascadedAttention": (lambda m: m(channels=4), (X,)),
    "NonLocalBlock": (lambda m: m(channels=4), (MAP,)),
}
GATES = {  # each value becomes a part of itself
    "CBAM3D": lambda m: m(4, kernel=(1, 3, 3), reduction=2),
    "GE3DDW": lambda m: m(4, kernel=(1, 3, 3)),
    "GE3DG": lambda m: m(),
    "S3DG": lambda m: m(4),
    "SE3D": lambda m: m(4, reduction=2),
    "aia": lambda m: m("CinST->STinC"),
}
MAPS = {
    "CCA3D": lambda m: m(channels=4, reduction=2),
    "PlaneAttention": lambda m: m("HW", channels=4),
    "RCCA3D": lambda m: m(channels=4, reduction=2),
}
AROUND = {  # a block in another layout of the same values
    "ChannelsLast": (lambda m: m(nn.Softplus()), X),
    "First": (lambda m: m(nn.Softplus()), (X,)),
    "Tokens": (lambda m: m(nn.Softplus(), grid=(5, 6)), MAP.flatten(2).mT),
}
OTHERS = {"FoldedTime", "FrameAttention", "PyramidAttention", "TemporalShift", "add_temporal_shift", "attach", "detach"}


@pytest.mark.parametrize("name", SAME)
def test_blocks_that_start_as_the_identity(name):
    make, inputs = SAME[name]
    torch.testing.assert_close(make(getattr(videoattn, name)).train(False)(*inputs), inputs[0])


@pytest.mark.parametrize("name", GATES)
def test_gates_take_a_part_of_each_value(name):
    out = GATES[name](getattr(videoattn, name)).train(False)(X)
    assert out.shape == X.shape
    assert ((out > 0) & (out < X)).all()


@pytest.mark.parametrize("name", MAPS)
def test_maps_keep_their_shape(name):
    out = MAPS[name](getattr(videoattn, name))(X)
    assert out.shape == X.shape
    assert out.isfinite().all()
    assert not torch.equal(out, X)


@pytest.mark.parametrize("name", AROUND)
def test_blocks_in_other_layouts(name):
    make, x = AROUND[name]
    out = make(getattr(videoattn, name))(x)
    torch.testing.assert_close(out, (x[0].exp().log1p(),) if name == "First" else x.exp().log1p())


@pytest.mark.parametrize("name", [*GATES, *MAPS, "CascadedAttention", "NonLocalBlock"])
def test_wrong_maps_are_refused(name):
    make = GATES.get(name) or MAPS.get(name) or SAME[name][0]
    module, right = make(getattr(videoattn, name)), MAP if name == "NonLocalBlock" else X
    others = [MAP if right is X else X, right[:, 0], [right]]
    if name not in ("GE3DG", "aia"):  # which take any number of channels
        others.append(right[:, :3])
    for x in others:
        with pytest.raises(InputError, match=r"is expected"):
            module(x)


@pytest.mark.parametrize("name", [*SAME, *GATES, *MAPS, "PyramidAttention"])
def test_no_clip_at_all(name):
    """Empty batches come out empty, and gradients are zero."""
    inputs = {"CMABlock": (MAP, MAP[:, :2]), "NonLocalBlock": (MAP,)}.get(name, (X,))
    if name == "PyramidAttention":
        module, inputs = videoattn.PyramidAttention(channels=(4,), sizes=((5, 6),)), ([X[:0]],)
    else:
        module = (GATES.get(name) or MAPS.get(name) or SAME[name][0])(getattr(videoattn, name))
        inputs = tuple(x[:0] for x in inputs)
    for training in (False, True):
        out = module.train(training)(*inputs)
        assert out.shape == (0, 4, *((1, 5, 6) if name == "PyramidAttention" else inputs[0].shape[2:]))
        if out.requires_grad:
            out.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in module.parameters())


def test_frames_are_shifted_folded_and_chosen():
    folded = X.transpose(1, 2).flatten(0, 1)  # (B T, C, H, W)
    shifted = videoattn.TemporalShift(frames=3, fraction=4)(folded).unflatten(0, (2, 3)).transpose(1, 2)
    torch.testing.assert_close(shifted[:, 0, :2], X[:, 0, 1:])
    torch.testing.assert_close(shifted[:, 1, 1:], X[:, 1, :2])
    torch.testing.assert_close(shifted[:, 2:], X[:, 2:])
    mean = videoattn.FoldedTime(nn.AvgPool3d((3, 1, 1)), frames=3)  # its block makes one frame of three
    torch.testing.assert_close(mean(folded), X.mean(2))
    kept = videoattn.FrameAttention(frames=4, size=4)(torch.rand(2, 3, 4, 8, 8))
    assert kept.indices.shape == (2, 2)
    merged = videoattn.PyramidAttention(channels=(4, 4), sizes=((5, 6), (2, 3)))((X, X[..., :2, :3]))
    assert merged.shape == (2, 4, 1, 2, 3)


def test_blocks_are_attached_and_taken_out():
    network = nn.Sequential(nn.Identity(), nn.Flatten())
    assert videoattn.attach(network, {"0": videoattn.GE3DG()})(X).lt(X.flatten(1)).all()
    assert torch.equal(videoattn.detach(network)(X), X.flatten(1))


def test_shifts_are_added_to_a_resnet():
    network = timm.create_model("resnet10t", num_classes=3)
    assert videoattn.add_temporal_shift(network, frames=2)(torch.rand(2, 3, 32, 32)).shape == (2, 3)


def test_every_name_is_offered_and_no_other():
    assert {*SAME, *GATES, *MAPS, *AROUND, *OTHERS} == set(videoattn.__all__)
    assert set(videoattn.__all__) <= set(dir(videoattn))
    assert not hasattr(videoattn, "Attention")


def test_the_package_is_imported_without_any_other():
    command = [sys.executable, "-S", "-c", "import videoattn; print(videoattn.__version__)"]
    environment = {"PYTHONPATH": videoattn.__file__.removesuffix("/videoattn/__init__.py")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, f"{videoattn.__version__}\n")
