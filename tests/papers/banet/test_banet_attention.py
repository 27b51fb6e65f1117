"""Frame attention by loops from the paper's equations, what each way of learning passes on, what is refused."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import noise, randomise
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.papers.banet import attention
from videoattn.papers.banet.attention import READINGS, FrameAttention, best, bump, differences, frame_scores

GREY = (0.299 * 0.229, 0.587 * 0.224, 0.114 * 0.225)  # of red, green and blue, times ImageNet's deviations


def differences_by_loops(clip: Tensor, size: int) -> list[list[float]]:
    """Of one clip (3, N, H, W), the windows of each difference row by row; they overlap where a side is no multiple."""
    frames, height, width = clip.shape[1:]
    clip, found = clip.tolist(), []
    for n in range(frames - 1):
        pooled = []
        for top, left in ((a, b) for a in range(size) for b in range(size)):
            largest = 0.0
            for row in range(top * height // size, math.ceil((top + 1) * height / size)):
                for column in range(left * width // size, math.ceil((left + 1) * width / size)):
                    change = 0.0
                    for grey, colour in zip(GREY, clip, strict=True):
                        change += grey * (colour[n + 1][row][column] - colour[n][row][column])
                    largest = max(largest, abs(change))
            pooled.append(largest)
        found.append(pooled)
    return found


def f_of_clamped(d: float, add: float = 0.0, *, offset: float = 3.0) -> float:
    s = 1 / (1 + math.exp(offset - min(max(d, 0.0), 7.0) - add))
    return s * (1 - s)


def worth(d: float, reading: str) -> float:
    """Of one difference, in the readings that add those of both neighbours."""
    return d if reading == "direct" else f_of_clamped(d, offset=3.5 if reading == "centred" else 3.0)


def scores_by_loops(differ: list[float], reading: str) -> list[float]:
    d, frames, y = dict(enumerate(differ, 1)), len(differ) + 1, []  # d[1] to d[N - 1]
    for i in range(1, frames + 1):
        if i in (1, frames):
            y.append(2 * worth(d[1 if i == 1 else frames - 1], reading))
        elif reading != "literal":
            y.append(worth(d[i - 1], reading) + worth(d[i], reading))  # Eq. (2)
        else:  # as printed; d_N is d_{N-1}
            y.append(f_of_clamped(d[i], add=f_of_clamped(d[min(i + 1, frames - 1)])))
    return y


def by_loops(module: FrameAttention, clip: Tensor) -> list[float]:
    """y of one clip."""
    differ = []
    for x in differences_by_loops(clip, module.size):
        for layer in module.mlp[::2]:
            rows = zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
            x = [max(sum(w * a for w, a in zip(row, x, strict=True)) + bias, 0.0) for row, bias in rows]
        differ.append(x[0])  # Eq. (1)
    return scores_by_loops(differ, module.reading)


def frame_attention(frames: int = 8, **options: object) -> FrameAttention:
    """A small one in training mode, with random weights; without differences its MLP gives 2."""
    module = randomise(FrameAttention(frames=frames, **{"size": 3, "hidden": (5, 4)} | options)).train()
    nn.init.constant_(module.mlp[-1].bias, 2.0)
    return module


def given_scores(monkeypatch, module: FrameAttention, *y: float) -> Tensor:
    """Scores (1, N) which the module takes for those of any clip."""
    leaf = torch.tensor([y], dtype=torch.float64, requires_grad=True)
    monkeypatch.setattr(module, "scores", lambda clip: leaf)
    return leaf


Y = (0.2, 0.5, 0.3, 0.45, 0.1, 0.4)  # frames 1, 3 and 5 are the best half


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.tuples(st.integers(2, 5), st.integers(1, 7), st.integers(1, 7)),
    size=st.integers(1, 4),
    loud=st.sampled_from((0.0, 1.0, 20.0, 200.0)),
    reading=st.sampled_from(READINGS),
)
def test_differences_and_scores_by_loops(sizes, size, loud, reading):
    module, clip = frame_attention(sizes[0], size=size, reading=reading), loud * noise(2, 3, *sizes)
    expected = torch.tensor([differences_by_loops(video, size) for video in clip], dtype=torch.float64)
    expected = expected.view(2, sizes[0] - 1, size, size)
    torch.testing.assert_close(differences(clip, size), expected, rtol=1e-12, atol=1e-13)
    expected = torch.tensor([by_loops(module, video) for video in clip], dtype=torch.float64)
    torch.testing.assert_close(module.scores(clip), expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("reading", READINGS)
@settings(max_examples=30, deadline=None)
@given(d=st.lists(st.floats(-5, 12), min_size=1, max_size=6))
def test_scores_by_loops(reading, d):
    expected = torch.tensor(scores_by_loops(d, reading), dtype=torch.float64)
    torch.testing.assert_close(frame_scores(torch.tensor(d, dtype=torch.float64), reading), expected)


def test_scores_by_hand_and_the_clamp():
    at_0, at_3, at_7 = 0.0451766597, 0.25, 0.0176627062
    torch.testing.assert_close(bump(torch.tensor([0.0, 3.0, 7.0])), torch.tensor([at_0, at_3, at_7]))
    d = torch.tensor([-1.0, 3.0, 9.0], dtype=torch.float64, requires_grad=True)
    expected = torch.tensor([2 * at_0, at_0 + at_3, at_3 + at_7, 2 * at_7], dtype=torch.float64)
    torch.testing.assert_close(frame_scores(d), expected)
    expected[1:3] = bump(torch.tensor([3 + at_7, 7 + at_7], dtype=torch.float64))
    torch.testing.assert_close(frame_scores(d, "literal"), expected)
    frame_scores(d).sum().backward()
    torch.testing.assert_close(d.grad, torch.zeros_like(d))  # F is flat at 3, and beyond the clamp
    torch.testing.assert_close(bump(d.detach()), torch.autograd.grad(torch.sigmoid(d - 3).sum(), d)[0])


def test_the_readings_that_the_paper_rejects_by_hand():
    d = torch.tensor([-1.0, 3.5, 9.0], dtype=torch.float64)
    end = 0.0284529765  # F in the middle, 3.5 away
    expected = torch.tensor([2 * end, end + 0.25, 0.25 + end, 2 * end], dtype=torch.float64)
    torch.testing.assert_close(frame_scores(d, "centred"), expected)  # 0 and 7 count the same
    assert frame_scores(d, "direct").tolist() == [-2.0, 2.5, 12.5, 18.0]  # without clamp and F the larger the better


def test_scores_of_nothing_still_choose_and_pass_finite_gradients(monkeypatch):
    for gradient in ("weight", "straight-through"):
        module = frame_attention(6, reading="direct", gradient=gradient)
        y = given_scores(monkeypatch, module, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0)
        kept = module(None)
        carried = kept.weights if gradient == "weight" else kept.feature_mix
        assert carried.isfinite().all()
        (grad,) = torch.autograd.grad((carried * noise(*carried.shape)).sum(), y)
        assert grad.isfinite().all()


def test_differences_are_those_of_grey_whatever_their_sign_and_the_mean_colour():
    rgb = torch.zeros(1, 3, 5, 2, 2)  # black, red, black, green, white
    rgb[0, 0, 1], rgb[0, 1, 3], rgb[0, :, 4] = 1, 1, 1
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = torch.tensor([0.299, 0.299, 0.587, 0.299 + 0.114]).view(1, 4, 1, 1)
    torch.testing.assert_close(differences((rgb - mean) / std, 1), expected)
    torch.testing.assert_close(differences(rgb / std, 1), expected)
    torch.testing.assert_close(differences((rgb / std).flip(2), 1), expected.flip(1))


@settings(max_examples=50, deadline=None)
@given(scores=st.lists(st.integers(0, 3), min_size=1, max_size=8), data=st.data())
def test_the_best_are_in_the_order_of_time_and_none_is_better(scores, data):
    count = data.draw(st.integers(1, len(scores)))
    found = best(torch.tensor(scores, dtype=torch.float32), count).tolist()
    assert found == sorted(set(found))  # each once, also where scores are equal
    assert len(found) == count
    dropped = [score for i, score in enumerate(scores) if i not in found]
    assert min(scores[i] for i in found) >= max(dropped, default=0)


def test_evaluation_makes_the_hard_choice_and_none_always(monkeypatch):
    for gradient in attention.GRADIENTS:
        module = frame_attention(6, gradient=gradient).train(gradient == "none")
        assert all(p.requires_grad == (gradient != "none") for p in module.parameters())
        given_scores(monkeypatch, module, *Y)
        indices, *others = module(None)
        assert indices.tolist() == [[1, 3, 5]]
        assert others == [None] * 3


def test_weights_are_one_and_pass_the_gradient_of_the_factor(monkeypatch):
    module = frame_attention(6, gradient="weight")
    y, features = given_scores(monkeypatch, module, *Y), noise(1, 3, 4).requires_grad_()
    weights = module(None).weights
    assert torch.equal(weights, torch.ones(1, 3, dtype=torch.float64))
    (torch.tanh(features * weights[..., None]) * noise(1, 3, 4, seed=2)).sum().backward()
    expected = torch.zeros_like(y)
    for m, n in enumerate((1, 3, 5)):
        expected[0, n] = (features.grad[0, m] * features[0, m]).sum() / Y[n]
    torch.testing.assert_close(y.grad, expected)


def test_straight_through_is_hard_ahead_and_shared_with_the_dropped_backwards(monkeypatch):
    module, a = frame_attention(6, gradient="straight-through"), noise(1, 3, 6, seed=2)
    y = given_scores(monkeypatch, module, *Y)
    kept = module(None)
    torch.testing.assert_close(kept.feature_mix, torch.eye(6, dtype=torch.float64)[None, [1, 3, 5]])
    (kept.feature_mix * a).sum().backward()

    def loss(y: list[float]) -> float:
        total = 0.0
        for m, n in enumerate((1, 3, 5)):
            rivals = (n, 0, 2, 4)
            total += sum(a[0, m, i].item() * y[i] / sum(y[j] for j in rivals) for i in rivals)
        return total

    for n in range(6):
        more, less = ([value + sign * 1e-6 * (i == n) for i, value in enumerate(Y)] for sign in (1, -1))
        assert y.grad[0, n].item() == pytest.approx((loss(more) - loss(less)) / 2e-6, rel=1e-6)
    assert (y.grad != 0).all()


def test_straight_through_is_hard_to_the_last_bit():
    for seed in range(24):
        torch.manual_seed(seed)
        module = FrameAttention(frames=8, size=3, hidden=(5, 4), gradient="straight-through")
        kept = module(torch.randn(2, 3, 8, 6, 6))
        assert torch.equal(kept.feature_mix, nn.functional.one_hot(kept.indices, 8).float())


def test_a_warm_up_chooses_at_random_and_teaches_the_scores():
    torch.manual_seed(0)
    module = FrameAttention(frames=8, size=4, warm_up=6)
    clip = noise(4, 3, 8, 8, 8, seed=2)
    best_frames = best(module.scores(clip), 4)
    for drawn in (module(clip), module(clip)):  # 0 and 4 clips of 6 had been seen
        assert not torch.equal(drawn.indices, best_frames)
        hard = torch.nn.functional.one_hot(drawn.indices, 8).float()
        torch.testing.assert_close(drawn.feature_mix, hard)
        drawn.feature_mix[..., 0].sum().backward()
        assert module.mlp[0].weight.grad.any()
    assert torch.equal(module(clip).indices, best_frames)
    assert module.state_dict()["seen"] == 8  # a training that goes on knows where it was
    again = FrameAttention(frames=8, size=4, warm_up=6)
    assert torch.equal(again.eval()(clip).indices, best(again.scores(clip), 4))  # in evaluation always the best
    assert again.seen == 0
    assert "seen" not in FrameAttention(frames=8, size=4).state_dict()


def test_shares_under_noise_and_their_estimated_slope(monkeypatch):
    module, a = frame_attention(6, gradient="perturbed"), noise(3, 6, seed=2)
    y, count = given_scores(monkeypatch, module, *Y), attention.DRAWS
    torch.manual_seed(5)
    mix = module(None).frame_mix
    (mix[0] * a).sum().backward()
    torch.manual_seed(5)
    draws = torch.randn(count, 1, 6, dtype=torch.float64)[:, 0]
    shares, slope = torch.zeros(1, 3, 6, dtype=torch.float64), torch.zeros(1, 6, dtype=torch.float64)
    for draw in draws:
        noisy = [value + attention.NOISE * z for value, z in zip(Y, draw.tolist(), strict=True)]
        for m, n in enumerate(sorted(sorted(range(6), key=noisy.__getitem__)[3:])):
            shares[0, m, n] += 1 / count
            slope[0] += draw * a[m, n] / attention.NOISE / count
    torch.testing.assert_close(mix, shares)
    torch.testing.assert_close(mix.sum(-1), torch.ones(1, 3, dtype=torch.float64))
    torch.testing.assert_close(y.grad, slope)
    assert ((mix > 0) & (mix < 1)).any()


def test_estimated_slope_is_that_of_the_expectation(monkeypatch):
    monkeypatch.setattr(attention, "DRAWS", 200_000)
    y, a, step = torch.tensor([[0.30, 0.36, 0.33]], dtype=torch.float64, requires_grad=True), noise(2, 3, seed=3), 0.01

    def loss(y: Tensor) -> Tensor:
        torch.manual_seed(0)
        return (attention.perturbed(y, 2)[0] * a).sum()

    (found,) = torch.autograd.grad(loss(y), y)
    for n, shift in enumerate(step * torch.eye(3, dtype=torch.float64)):
        expected = (loss(y + shift) - loss(y - shift)).item() / (2 * step)
        assert found[0, n].item() == pytest.approx(expected, abs=0.4), n
    assert found.abs().max() > 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 1, "keep": 1.0}, "frames=1: differences need at least 2"),
        ({"size": 0}, "size=0, hidden=(5, 4): a side and two widths of at least 1"),
        ({"hidden": (5, 0)}, "hidden=(5, 0)"),
        ({"hidden": (5,)}, "hidden=(5,)"),
        *(({"start": start}, f"start={start}: a value in (0, 7)") for start in (-1.0, 0.0, 3.0, 7.0, 8.5, math.nan)),
        ({"reading": "centred", "start": 3.5}, "start=3.5: a value in (0, 7) is expected, but not 3.5"),
        ({"reading": "printed"}, "unknown reading 'printed'; choose from consistent, literal"),
        ({"gradient": "hard"}, "unknown gradient 'hard'; choose from weight, straight-through, perturbed, none"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        frame_attention(**options)


def test_wrong_clips_are_refused():
    for shape in ((1, 3, 7, 4, 4), (1, 1, 8, 4, 4), (3, 8, 4, 4)):
        with pytest.raises(InputError, match=re.escape(f"shape {shape}; (B, 3, 8, H, W) is expected")):
            frame_attention()(torch.zeros(shape))
