"""The losses by loops, and each thing that is wrong with the printed ones, in numbers."""

import itertools
import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyramids import layer, pyramid
from random_weights import noise
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.papers.istpa.attention import FUSIONS, fused, normalised
from videoattn.papers.istpa.losses import class_loss, final_loss, interaction_loss, pyramid_loss


def interaction_by_loops(x: Tensor, a: Tensor, form: str) -> float:
    """Of one clip: X (C, P) and A (P, n)."""
    n, trace, overlap = a.shape[1], 0.0, 0.0
    size = math.sqrt(sum(v**2 for v in x.flatten().tolist()))
    x = x if form == "literal" else x / size
    for m, other in itertools.product(range(n), repeat=2):
        if m == other:
            projected = [sum(x[c, k].item() * a[k, m].item() for k in range(len(a))) for c in range(len(x))]
            trace += sum(v**2 for v in projected)
        else:
            overlap += sum(a[k, m].item() * a[k, other].item() for k in range(len(a))) ** 2
    if form == "literal":
        return -trace + overlap  # Eq. (8)
    return -trace / n + (overlap / (n * (n - 1)) if n > 1 else 0.0)


def pyramid_by_loops(a: Tensor, scales: list[Tensor], frames: int, form: str) -> float:
    """Of one clip: A and the Y_j (P, n)."""
    (sources, n), terms = a.shape, []
    for y, m in itertools.product(scales, range(n)):
        e = [math.exp(y[k, m].item()) for k in range(sources)]
        whole = 0.0
        for t in range(frames):
            at = range(t * sources // frames, (t + 1) * sources // frames)
            delta = math.sqrt(sum((a[k, m].item() - e[k] / sum(e)) ** 2 for k in at))  # Eq. (9), (15)
            whole += delta**2
            if form == "literal":
                terms.append(1 - delta**2)
        if form == "stable":
            terms.append(1 - whole / 2)
    return math.sqrt(sum(terms)) if form == "literal" else sum(terms) / len(terms)  # Eq. (10), (14)


@settings(max_examples=30, deadline=None)
@given(
    channels=st.integers(1, 3),
    size=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    frames=st.integers(1, 3),
    count=st.integers(1, 3),
    fusion=st.sampled_from(FUSIONS),
    form=st.sampled_from(("stable", "literal")),
)
def test_by_loops(channels, size, frames, count, fusion, form):
    shape = {"channels": (channels,) * count, "sizes": (size,) * count}
    maps = pyramid(frames, **shape)
    _, (attention, scales) = layer(**shape, fusion=fusion)(maps, return_attention=True)
    x = maps[-1].flatten(2)
    expected = [interaction_by_loops(x[b], attention[b], form) for b in (0, 1)]
    found = interaction_loss(maps[-1], attention, form=form)
    assert found.item() == pytest.approx(sum(expected) / 2)
    assert form == "literal" or -1 <= found <= 1
    squares = [(attention - y.softmax(1)).square().sum() for y in scales]
    if form == "literal" and sum(squares) > frames * count * attention.shape[2] - 0.5:
        return  # a root of what may be negative
    expected = [pyramid_by_loops(attention[b], [y[b] for y in scales], frames, form) for b in (0, 1)]
    found = pyramid_loss(attention, scales, frames=frames, form=form)
    assert found.item() == pytest.approx(sum(expected) / 2)
    assert form == "literal" or 0 <= found <= 1


def test_a_value_by_hand():
    maps, attention = torch.eye(2).view(1, 2, 1, 1, 2), torch.tensor([[[1, 0.6], [0, 0.8]]])
    assert interaction_loss(maps, attention, form="literal").item() == pytest.approx(-2 + 2 * 0.6**2)
    assert interaction_loss(maps, attention).item() == pytest.approx(-1 / 2 + 0.6**2)
    permuted = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    assert interaction_loss(maps, permuted).item() == pytest.approx(-1 / 2)
    scales = [torch.zeros(1, 2, 2)]  # softmax gives halves
    distance = (0.5**2 + 0.5**2 + 0.1**2 + 0.3**2) / 2
    assert pyramid_loss(attention, scales, frames=1).item() == pytest.approx(1 - distance / 2)
    assert pyramid_loss(attention, scales, frames=1, form="literal").item() == pytest.approx(
        math.sqrt(2 - 2 * distance)
    )


def test_the_trace_is_the_size_of_the_merged_maps_and_has_no_bound():
    module, maps = layer(), pyramid()
    with torch.no_grad():
        merged, (attention, _) = module(maps, return_attention=True)
    gram = attention.mT @ attention
    expected = gram.square().sum() / 2 - 6 - merged.square().sum() / 2
    torch.testing.assert_close(interaction_loss(maps[-1], attention, form="literal"), expected)
    literal = [interaction_loss(s * maps[-1], attention, form="literal").item() for s in (1, 10, 100)]
    assert literal[2] < 90 * literal[1] < 90 * 90 * literal[0] < 0
    stable = [interaction_loss(s * maps[-1], attention) for s in (1, 10, 100)]
    stable.append(interaction_loss(maps[-1], attention / attention.sum(1, keepdim=True)))  # columns of any length
    torch.testing.assert_close(stable[1:], stable[:1] * 3)
    x = maps[-1].clone().requires_grad_()
    steps = torch.optim.SGD([x], lr=0.1)
    for _ in range(20):
        steps.zero_grad()
        interaction_loss(x, attention, form="literal").backward()
        steps.step()
    assert interaction_loss(x, attention, form="literal") < 100 * literal[0]
    attention.requires_grad_()
    assert torch.autograd.grad(interaction_loss(x, attention), x, allow_unused=True) == (None,)


def test_delta_reaches_the_root_of_two_and_the_printed_root_is_of_a_negative_number():
    # Both scales reject the second source more; their product is largest there.
    scales = [torch.tensor([[[-40.0], [-50.0]]])] * 2
    attention = normalised(fused(scales, "product"))
    torch.testing.assert_close(attention, torch.tensor([[[0.0], [1.0]]]))
    delta = (attention - scales[0].softmax(1)).norm().item()
    assert delta == pytest.approx(math.sqrt(2), abs=1e-4)
    assert pyramid_loss(attention, scales, frames=1, form="literal").isnan()
    assert pyramid_loss(attention, scales, frames=1).item() == pytest.approx(0, abs=1e-4)
    for form in ("literal", "stable"):
        attention, scales = torch.tensor([[[1.0], [0.0]]]), [torch.tensor([[[-90.0], [90.0]]], requires_grad=True)]
        attention.requires_grad_()
        pyramid_loss(attention, scales, frames=2, form=form).backward()  # of 0, at two frames
        assert attention.grad.isfinite().all() == (form == "stable")


@pytest.mark.parametrize("frames", [2, 3, 5])
def test_more_than_one_frame_keeps_the_root_real(frames):
    scales = [40 * noise(3, 4 * frames, 4, seed=s) for s in range(3)]
    attention = normalised(fused(scales, "product"))
    whole = (attention - torch.stack(scales).softmax(2)).square().sum(2)
    assert 1.9 < whole.max() <= 2 + 1e-12
    assert pyramid_loss(attention, scales, frames=frames, form="literal").isfinite()


def test_one_scale_is_drawn_to_diffuse_attention():
    even, sharp = torch.zeros(1, 64, 2), 40 * noise(1, 64, 2).float()
    distance = (normalised(even) - even.softmax(1)).norm(dim=1)
    torch.testing.assert_close(distance, torch.full((1, 2), 1 - 1 / 8))
    assert pyramid_loss(normalised(even), [even], frames=1) < 0.7
    assert pyramid_loss(normalised(sharp), [sharp], frames=1) > 0.9


def test_one_prediction_a_video_and_one_a_frame():
    scores, labels = noise(3, 4, 5), torch.tensor([4, 0, 2])
    total = 0.0
    for b, t in itertools.product(range(3), range(4)):
        e = [math.exp(v) for v in scores[b, t].tolist()]
        total -= math.log(e[labels[b]] / sum(e)) / 4  # Eq. (16)
    assert class_loss(scores, labels).item() == pytest.approx(total / 3)
    single = 0.0
    for b in range(3):
        e = [math.exp(v) for v in scores[b, 0].tolist()]
        single -= sum((c == labels[b]) * math.log(e[c] / sum(e)) for c in range(5))  # Eq. (11)
    assert class_loss(scores[:, 0], labels).item() == pytest.approx(single / 3)
    torch.testing.assert_close(class_loss(scores[:, :1].expand(-1, 4, -1), labels), class_loss(scores[:, 0], labels))


def test_the_weighted_sum_and_its_sign():
    w = [nn.Parameter(noise(2, 3)), nn.Parameter(noise(4)), nn.Parameter(noise(9), requires_grad=False)]
    parts = [torch.tensor(v) for v in (2.0, -3.0, 5.0)]
    squares = sum(v**2 for p in w[:2] for v in p.flatten().tolist())
    expected = 2.0 + 1e-4 * -3 + 1e-4 * 5 + 4e-5 * squares  # Eq. (12)
    assert final_loss(*parts, w).item() == pytest.approx(expected)
    assert final_loss(*parts, w, form="literal").item() == pytest.approx(expected - 4)
    assert final_loss(*parts, beta=0.5, gamma=0.1).item() == pytest.approx(2 - 1.5 + 0.5)
    p = w[0].detach().clone().requires_grad_()
    final_loss(*parts, w, decay=0.3).backward()
    optimizer = torch.optim.SGD([p], lr=1, weight_decay=0.6)
    p.grad = torch.zeros_like(p)
    before = p.detach().clone()
    optimizer.step()
    torch.testing.assert_close(before - p, w[0].grad)


@pytest.mark.parametrize("frames", [1, 3])
def test_all_that_is_trained_gets_a_finite_gradient(frames):
    module, maps = layer(), [x.requires_grad_() for x in pyramid(frames)]
    _, (attention, scales) = module(maps, return_attention=True)
    for loss in (interaction_loss(maps[-1], attention), pyramid_loss(attention, scales, frames=frames)):
        module.zero_grad()
        loss.backward(retain_graph=True)
        for parameter in module.parameters():
            assert parameter.grad.isfinite().all()
            assert parameter.grad.norm() > 1e-6


def test_extreme_scores_and_half_precision():
    scales = [1e4 * noise(2, 12, 4, seed=s).float() for s in range(3)]
    scales = [y.requires_grad_() for y in scales]
    attention = normalised(fused(scales, "product"))
    maps = noise(2, 3, 2, 2, 3).float()
    losses = [interaction_loss(maps, attention), pyramid_loss(attention, scales, frames=2)]
    sum(losses).backward()
    assert all(y.grad.isfinite().all() for y in scales)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = [interaction_loss(maps, attention), pyramid_loss(attention, scales, frames=2)]
    torch.testing.assert_close(half, losses)
    low = interaction_loss(maps.bfloat16(), attention)  # what a network gives under autocast
    torch.testing.assert_close(low, losses[0], atol=0.01, rtol=0)
    assert interaction_loss(torch.zeros_like(maps), attention).isfinite()
    compiled = torch.compile(interaction_loss, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(maps, attention), losses[0])


def test_bad_arguments_are_refused():
    attention = torch.ones(1, 6, 2)
    for call in (
        lambda: interaction_loss(torch.ones(1, 2, 1, 2, 3), attention, form="plain"),
        lambda: pyramid_loss(attention, [attention], frames=2, form="plain"),
        lambda: final_loss(*torch.ones(3), form="plain"),
    ):
        with pytest.raises(InputError, match=re.escape("unknown form 'plain'; choose from stable, literal")):
            call()
    for frames in (4, 0, -1):
        with pytest.raises(InputError, match=re.escape(f"frames={frames}: attention over 6 sources")):
            pyramid_loss(attention, [attention], frames=frames)
