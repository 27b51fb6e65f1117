"""BANet over a small ECO: what each rule keeps and hands on, and a training step that reaches the frames' scores."""

import copy
import itertools
import pickle
from collections.abc import Callable

import pytest
import torch
from random_weights import noise, randomise
from torch import Tensor, nn

from videoattn.backbones.eco import small_eco
from videoattn.errors import InputError
from videoattn.papers.banet.attention import FrameAttention
from videoattn.papers.banet.cascade import CascadedAttention
from videoattn.papers.banet.network import BANet
from videoattn.papers.banet.selection import RULES, selection

TRAINABLE = ("weight", "straight-through", "perturbed")
SIDES = pytest.mark.parametrize("side", [(), (5, 7)], ids=["lite", "with a side"])


def banet(gradient: str = "weight", *, frames: int = 8, rule: str = "learned", side: tuple[int, ...] = ()) -> BANet:
    """In float64 and evaluation mode, with random weights; frames without differences give 2."""
    select = selection(rule, frames=frames, keep=0.5, size=4, gradient=gradient)
    eco = small_eco(classes=5, widths=(4, 6), temporal_widths=(4, 6, 8), side_widths=side)
    eco.attention = CascadedAttention(channels=6)
    network = randomise(BANet(select=select, eco=eco))
    if rule == "learned":
        nn.init.constant_(select.mlp[-1].bias, 2.0)
    return network


def video(batch: int = 2, frames: int = 8, seed: int = 1) -> dict[str, Tensor]:
    return {"rgb": noise(batch, 3, frames, 16, 16, seed=seed)}


def gathered(rgb: Tensor, indices: Tensor) -> Tensor:
    return torch.stack([clip[:, kept] for clip, kept in zip(rgb, indices, strict=True)])


def given_scores(monkeypatch, network: BANet) -> Tensor:
    """Scores (1, 8) which the network takes for those of any clip; frames 1, 3, 4 and 6 are the best."""
    y = torch.tensor([[0.2, 0.5, 0.3, 0.45, 0.4, 0.1, 0.35, 0.25]], dtype=torch.float64, requires_grad=True)
    monkeypatch.setattr(network.select, "scores", lambda clip: y)
    return y


def slopes(loss: Callable[[Tensor], Tensor], y: Tensor) -> Tensor:
    """Of a number that depends on (1, N), by finite differences."""
    steps = 1e-5 * torch.eye(y.shape[1], dtype=y.dtype)
    return torch.stack([(loss(y + step) - loss(y - step)) / 2e-5 for step in steps])[None].detach()


@pytest.mark.parametrize("rule", RULES)
@SIDES
def test_in_evaluation_it_is_eco_over_the_kept_frames(rule, side):
    network, clip = banet(rule=rule, side=side), video()
    indices = network.select(clip["rgb"]).indices
    assert indices.shape == (2, 8 if rule == "all" else 4)
    found = network(clip)
    assert list(found) == ["rgb"]
    torch.testing.assert_close(found["rgb"], network.eco(gathered(clip["rgb"], indices)), rtol=0, atol=0)


@SIDES
@pytest.mark.parametrize("gradient", ["weight", "straight-through", "none"])
def test_learning_changes_no_value(gradient, side):
    network, clip = banet(gradient, side=side), video()
    expected = network(clip)["rgb"]
    network.select.train()  # the batch norms of ECO still take their running statistics
    torch.testing.assert_close(network(clip)["rgb"], expected)


@SIDES
def test_straight_through_takes_the_batch_statistics_of_all_frames(side):
    network, clip = banet("straight-through", side=side).train(), video()
    eco, indices = copy.deepcopy(network.eco), network.eval().select(clip["rgb"]).indices
    found = network.train()(clip)["rgb"]
    maps, features = eco.frames(clip["rgb"])
    features = None if features is None else torch.stack([f[kept] for f, kept in zip(features, indices, strict=True)])
    torch.testing.assert_close(found, eco.scores(gathered(maps, indices), features))
    assert not torch.allclose(found, eco(gathered(clip["rgb"], indices)))


@SIDES
def test_under_noise_it_is_eco_over_mixed_frames(side):
    network, clip = banet("perturbed", side=side), video()
    network.select.train()
    torch.manual_seed(3)
    mix = network.select(clip["rgb"]).frame_mix
    mixed = torch.zeros(2, 3, 4, 16, 16, dtype=torch.float64)
    for b, m, n in itertools.product(range(2), range(4), range(8)):
        mixed[b, :, m] += mix[b, m, n] * clip["rgb"][b, :, n]
    torch.manual_seed(3)
    torch.testing.assert_close(network(clip)["rgb"], network.eco(mixed))


@SIDES
def test_weight_passes_the_slope_of_the_kept_frames_features(monkeypatch, side):
    network, clip, a = banet(side=side), video(1), noise(1, 5, seed=3)
    network.select.train()
    y, kept = given_scores(monkeypatch, network), [1, 3, 4, 6]
    (network(clip)["rgb"] * a).sum().backward()
    frames, fixed = clip["rgb"][:, :, kept], y.detach()[:, kept]
    expected = slopes(lambda y: (network.eco(frames, weights=y[:, kept] / fixed) * a).sum(), y.detach())
    torch.testing.assert_close(y.grad, expected, rtol=1e-6, atol=1e-8)
    assert (y.grad[0, kept] != 0).all()


@SIDES
def test_straight_through_passes_the_slope_of_the_shares(monkeypatch, side):
    network, clip, a = banet("straight-through", side=side), video(1), noise(1, 5, seed=3)
    network.select.train()
    y, kept, dropped = given_scores(monkeypatch, network), [1, 3, 4, 6], [0, 2, 5, 7]
    (network(clip)["rgb"] * a).sum().backward()
    maps, features = network.eco.frames(clip["rgb"])

    def shares(y: Tensor) -> Tensor:
        found = torch.zeros(4, 8, dtype=y.dtype)
        for row, n in zip(found, kept, strict=True):
            row[[n, *dropped]] = y[0, [n, *dropped]] / y[0, [n, *dropped]].sum()
        return found

    def loss(moved: Tensor) -> Tensor:
        mix = torch.eye(8, dtype=y.dtype)[kept] + shares(moved) - shares(y.detach())
        side = None if features is None else torch.einsum("mn,bnc->bmc", mix, features)
        return (network.eco.scores(torch.einsum("mn,bcnhw->bcmhw", mix, maps), side) * a).sum()

    torch.testing.assert_close(y.grad, slopes(loss, y.detach()), rtol=1e-5, atol=1e-7)
    assert (y.grad != 0).all()


@SIDES
@pytest.mark.parametrize("gradient", [*TRAINABLE, "none"])
def test_a_training_step_moves_the_scores(gradient, side):
    network, clip = banet(gradient, side=side).train(), video(4)
    before = copy.deepcopy(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    nn.functional.cross_entropy(network(clip)["rgb"], torch.tensor([0, 1, 2, 3])).backward()
    optimizer.step()
    for part, moves in ((lambda n: n.select, gradient != "none"), (lambda n: n.eco.fc, True)):
        pairs = zip(part(network).parameters(), part(before).parameters(), strict=True)
        assert {not torch.equal(p, q) for p, q in pairs} == {moves}


@pytest.mark.parametrize("gradient", TRAINABLE)
def test_every_layer_learns_from_the_start(gradient):
    for seed in range(24):
        torch.manual_seed(seed)
        module = FrameAttention(frames=8, gradient=gradient)
        mix = next(m for m in module(torch.randn(2, 3, 8, 28, 28))[1:] if m is not None)
        (mix * torch.randn(mix.shape)).sum().backward()
        assert all(p.grad.abs().max() > 0 for p in module.parameters()), seed


def test_frames_that_are_all_the_same_still_teach_it():
    """Nothing enters the first layer, so that the last bias alone can learn: `start` is where F has a slope."""
    for seed in range(24):
        torch.manual_seed(seed)
        module = FrameAttention(frames=8, gradient="weight")
        clip = torch.randn(2, 3, 1, 28, 28).expand(-1, -1, 8, -1, -1)
        torch.testing.assert_close(module.scores(clip), torch.full((2, 8), 2 * 0.1966119332))  # F(2)
        (module(clip).weights * torch.randn(2, 4)).sum().backward()
        assert module.mlp[-1].bias.grad.abs() > 0
        assert module.mlp[-1].weight.grad.abs().max() == 0


@pytest.mark.parametrize("gradient", [*TRAINABLE, "none"])
def test_kept_frames_must_be_a_multiple_of_4(gradient):
    network = banet(gradient, frames=12)
    for mode in (True, False):
        with pytest.raises(InputError, match=r"T a multiple of 4, is expected"):
            network.train(mode)(video(frames=12))
    assert banet(gradient, frames=8).train()(video())["rgb"].shape == (2, 5)


def test_copies_and_state():
    network, clip, other = banet(side=(5, 7)), video(), banet(side=(5, 7))
    expected = network(clip)["rgb"]
    other.select.mlp[0].weight.data.neg_()
    other.load_state_dict(network.state_dict())
    for same in (other, copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(same(clip)["rgb"], expected)
