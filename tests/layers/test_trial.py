"""What a network is found to give, and where there is no trial."""

import warnings

import torch
from torch import nn

from videoattn.layers.meta import on_meta
from videoattn.layers.trial import trial


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(5, 4, 3, stride=2, padding=1), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()), nn.Flatten()
    )


def test_what_is_given_at_the_first_call():
    net = network()
    net[1].append(net[1][1])  # the same layer twice
    found = trial(net, {"1.1": net[1][1], "2": net[2]}, frames=2)
    assert found[net[1][1]].output.shape == (6, 4, 112, 112)
    assert found[net[2]].output.shape == (6, 4 * 112 * 112)
    assert found[net[2]].output.is_meta
    assert {(about.samples, about.size) for about in found.values()} == {(6, (224, 224))}


def test_convolutions_and_batch_norms_need_none():
    net = network()
    assert trial(net, {"0": net[0], "1.0": net[1][0]}, frames=1) == {}
    assert set(trial(net, {"0": net[0], "1": net[1]}, frames=1)) == {net[1]}


def test_video_that_only_one_length_fits():
    for length in (16, 8, 4, 32):
        net = nn.Sequential(nn.Conv3d(2, 1, 1), nn.Flatten(3), nn.Flatten(1, 2), nn.LayerNorm((length, 224 * 224)))
        net[3].to("meta")
        assert trial(net, {"3": net[3]}, frames=1)[net[3]].output.shape == (3, length, 224 * 224)


def test_nothing_is_kept_of_a_clip_that_does_not_run():
    net = nn.Sequential(nn.Conv2d(2, 1, 1), nn.ReLU(), nn.Linear(64, 2))
    assert trial(net, {"1": net[1]}, frames=1)[net[1]].output.shape == (3, 1, 64, 64)


class Loud(nn.Module):
    def forward(self, x):
        warnings.warn("once more", stacklevel=2)
        return x


def test_warnings_are_kept_for_real_passes(recwarn):
    net = nn.Sequential(nn.Conv2d(2, 1, 1), Loud())
    assert trial(net, {"1": net[1]}, frames=1)[net[1]].output.shape == (3, 1, 224, 224)
    assert len(recwarn) == 0


def test_no_trial_of_what_cannot_be_told_or_copied():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    assert trial(net, {"1": net[1]}, frames=1) == {}
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.LazyLinear(2), nn.ReLU())
    assert trial(net, {"2": net[2]}, frames=1) == {}
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Linear(7, 2), nn.ReLU())
    assert trial(net, {"2": net[2]}, frames=1) == {}


def test_a_copy_on_meta_shares_nothing():
    net = network()
    twin = on_meta(net)
    assert all(tensor.is_meta for tensor in twin.state_dict().values())
    assert not any(tensor.is_meta for tensor in net.state_dict().values())
    assert list(twin.state_dict()) == list(net.state_dict())
    assert twin(torch.empty(1, 5, 8, 6, device="meta")).shape == (1, 48)
