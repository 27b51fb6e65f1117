"""Pyramid attention by loops, its limits and starts, and what its normalisation does to the size of the maps."""

import copy
import itertools
import math
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pyramids import CHANNELS, SIZES, layer, pyramid
from random_weights import noise
from torch import Tensor, nn

from videoattn.errors import InputError
from videoattn.papers.istpa.attention import (
    DOWNSAMPLING,
    FUSIONS,
    NORMS,
    PyramidAttention,
    downsampling,
    normalised,
    pool,
    steps,
)

FUSED = {"product": math.prod, "sum": sum, "max": max}


def shrunk(x: Tensor, to: tuple[int, int], kind: str, conv: nn.Module) -> Tensor:
    """One step of down-sampling of (C, T, H, W), place by place."""
    out = x.new_zeros(*x.shape[:2], *to)
    for c, t, h, w in itertools.product(*map(range, out.shape)):
        spans = []
        for place, length, short in zip((h, w), x.shape[2:], to, strict=True):
            stride = length // short
            begin, end = place * length // short, -(-(place + 1) * length // short)
            spans.append((place * stride, length - (short - 1 - place) * stride) if kind == "conv" else (begin, end))
        (top, bottom), (left, right) = spans
        values = {(i, k): x[c, t, i, k].item() for i in range(top, bottom) for k in range(left, right)}
        if kind == "conv":
            values = {(i, k): v * conv.weight[c, 0, i - top, k - left].item() for (i, k), v in values.items()}
        total = max(values.values()) if kind == "max" else sum(values.values())
        out[c, t, h, w] = total / len(values) if kind == "average" else total
    return out


def by_loops(module: PyramidAttention, kind: str, maps: list[Tensor]) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Merged maps (C, n), A and all Y_j of one clip, from maps (C_j, T, H_j, W_j)."""
    sizes, scales = [tuple(x.shape[2:]) for x in maps], []
    places = list(itertools.product(*map(range, maps[-1].shape[1:])))
    n = math.prod(sizes[-1])
    for j, (x, score) in enumerate(zip(maps, module.score, strict=True)):
        convs = iter(module.downsample[j])
        for big, small in itertools.pairwise(sizes[j:]):
            x = x if big == small else shrunk(x, small, kind, next(convs))  # Eq. (1)
        weight, bias, rows = score.weight.tolist(), score.bias.tolist(), []
        for t, h, w in places:
            source = x[:, t, h, w].tolist()
            row = [b + sum(a * v for a, v in zip(ws, source, strict=True)) for ws, b in zip(weight, bias, strict=True)]
            rows.append(row * (n // len(row)))  # Eq. (2), (13)
        scales.append(rows)
    attention, merged = torch.zeros(len(places), n).double(), torch.zeros(len(maps[-1]), n).double()
    for m in range(n):
        e = [math.exp(FUSED[module.fusion](rows[k][m] for rows in scales)) for k in range(len(places))]
        a = [value / sum(e) for value in e]  # Eq. (3)
        length = math.sqrt(sum(value**2 for value in a)) if module.norm == 2 else 1.0
        for k, place in enumerate(places):
            attention[k, m] = a[k] / length
            for c in range(len(merged)):
                merged[c, m] += maps[-1][(c, *place)] * attention[k, m]  # Eq. (4)
    return merged, attention, [torch.tensor(rows, dtype=torch.float64) for rows in scales]


@st.composite
def shapes(draw) -> dict[str, tuple]:
    size, sizes = (draw(st.integers(1, 3)), draw(st.integers(1, 3))), []
    for _ in range(draw(st.integers(1, 3))):
        sizes.insert(0, size)
        size = (size[0] + draw(st.integers(0, 3)), size[1] + draw(st.integers(0, 3)))
    return {"sizes": tuple(sizes), "channels": tuple(draw(st.integers(1, 3)) for _ in sizes)}


@settings(max_examples=60, deadline=None)
@given(
    shape=shapes(),
    frames=st.integers(1, 3),
    downsample=st.sampled_from(DOWNSAMPLING),
    fusion=st.sampled_from(FUSIONS),
    normalise=st.sampled_from(NORMS),
    shared=st.booleans(),
)
def test_any_shape_and_kind_by_loops(shape, frames, downsample, fusion, normalise, shared):
    module = layer(**shape, downsample=downsample, fusion=fusion, normalise=normalise, shared=shared)
    maps = pyramid(frames, **shape)
    out, (attention, scales) = module(maps, return_attention=True)
    merged, expected, scores = by_loops(module, downsample, [x[1] for x in maps])
    torch.testing.assert_close(out[1], merged.view(out[1].shape))
    torch.testing.assert_close(attention[1], expected)
    torch.testing.assert_close(torch.stack(scales)[:, 1], torch.stack(scores))
    torch.testing.assert_close(module(maps), out)
    assert out.shape == (2, shape["channels"][-1], 1, *shape["sizes"][-1])


def test_down_sampling_goes_through_the_sizes_of_the_pyramid():
    sizes = ((35, 35), (17, 17), (8, 8))
    assert [steps(size, sizes) for size in sizes] == [sizes, sizes[1:], sizes[2:]]
    assert steps((17, 17), (*sizes, *sizes)) == sizes[1:]  # two streams
    assert steps((35, 35), (sizes[1], (20, 20), *sizes)) == (sizes[0], (20, 20), *sizes[1:])  # in any order
    x = noise(2, 3, 35, 35)
    halved = F.max_pool2d(F.max_pool2d(x, 3, 2), 3, 2)
    assert torch.equal(downsampling("max", 3, sizes)(x), halved)
    assert torch.equal(halved, F.max_pool2d(x, 7, 4))
    x = noise(2, 3, 28, 28)
    torch.testing.assert_close(downsampling("average", 3, ((28, 28), (14, 14), (7, 7)))(x), F.avg_pool2d(x, 4))
    convs = downsampling("conv", 3, sizes)
    assert [(conv.kernel_size, conv.stride, conv.groups) for conv in convs] == [((3, 3), (2, 2), 3)] * 2
    x = noise(2, 3, 12, 9).float()  # starts as the average where windows do not overlap
    torch.testing.assert_close(downsampling("conv", 3, ((12, 9), (4, 3)))(x), F.avg_pool2d(x, 3))


@pytest.mark.parametrize(
    ("big", "small", "common"),
    [((35, 17), (17, 8), True), ((28, 14), (7, 7), True), ((10, 9), (4, 9), False), ((8, 8), (5, 8), False)],
)
def test_a_pool_with_windows_all_alike_is_the_common_one(big, small, common):
    x = noise(2, 3, *big)
    for kind, adaptive in (("max", nn.AdaptiveMaxPool2d), ("average", nn.AdaptiveAvgPool2d)):
        layer = pool(kind, big, small)
        assert isinstance(layer, adaptive) != common
        torch.testing.assert_close(layer(x), adaptive(small)(x))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_frames_count_in_any_number_and_in_no_order(fusion):
    module = layer(fusion=fusion)
    maps = pyramid(5)
    torch.testing.assert_close(module([x[:, :, [3, 0, 4, 2, 1]] for x in maps]), module(maps))
    one = [x[:, :, :1] for x in maps]
    for k in (1, 3, 25):  # of one frame K times
        many = [x.expand(-1, -1, k, -1, -1) for x in one]
        torch.testing.assert_close(module(many), math.sqrt(k) * module(one))
        module.norm = 1
        torch.testing.assert_close(module(many), module(one))
        module.norm = 2


def test_diffuse_attention_grows_with_the_root_of_the_sources():
    module = layer(channels=(3,), sizes=((2, 4),))
    nn.init.zeros_(module.score[0].weight)
    x = noise(1, 3, 1, 1, 1)
    sizes = {k: module([x.expand(-1, -1, k, 2, 4)]) for k in (3, 25)}
    torch.testing.assert_close(sizes[25], (math.sqrt(25 * 8) * x).expand_as(sizes[25]))
    assert (sizes[25] / sizes[3]).mean().item() == pytest.approx(2.887, abs=1e-3)


def test_softmax_and_unit_length_are_the_root_of_a_softmax():
    u = 3 * noise(2, 6, 4)
    torch.testing.assert_close(normalised(u), torch.softmax(2 * u, 1).sqrt())
    torch.testing.assert_close(normalised(u, 1), torch.softmax(u, 1))
    torch.testing.assert_close(normalised(u).square().sum(1), torch.ones(2, 4).double())


def test_shared_weights_are_equal_columns():
    shared, own, maps = layer(shared=True), layer(), pyramid()
    for one, score in zip(shared.score, own.score, strict=True):
        score.weight.data.copy_(one.weight.expand_as(score.weight))
        score.bias.data.copy_(one.bias.expand_as(score.bias))
    out, (attention, scales) = shared(maps, return_attention=True)
    expected, (full, full_scales) = own(maps, return_attention=True)
    torch.testing.assert_close((out, attention, scales), (expected, full, full_scales))
    gated = maps[-1] * attention[..., 0].view(2, 1, 2, 2, 3)  # each place by its own score, frames added
    torch.testing.assert_close(out.mean((2, 3, 4)), 6 * gated.sum(2).mean((2, 3)))


def test_one_source_is_the_identity():
    module, x = layer((3, 5), ((3, 3), (1, 1))), noise(2, 5, 1, 1, 1)
    torch.testing.assert_close(module([noise(2, 3, 1, 3, 3), x]), x)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_layout_precision_and_copies(fusion, shared):
    module = layer(fusion=fusion, shared=shared).float()
    maps = [x.float() for x in pyramid()]
    expected = module(maps)
    torch.testing.assert_close(module([x.contiguous(memory_format=torch.channels_last_3d) for x in maps]), expected)
    assert torch.equal(copy.deepcopy(module)(maps), expected)
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype=dtype):
            half, (attention, _) = module(maps, return_attention=True)
        assert (half.dtype, attention.dtype) == (dtype, torch.float32)
        assert 0 < (half - expected).norm() < 0.05 * expected.norm()
        low, (attention, _) = module.to(dtype)([x.to(dtype) for x in maps], return_attention=True)
        assert (low.dtype, attention.dtype) == (dtype, torch.float32)
        assert 0 < (low - expected).norm() < 0.1 * expected.norm()
        module.float()
    with torch.autocast("cpu", dtype=torch.float16):
        assert module([1e4 * x for x in maps], return_attention=True)[1].attention.isfinite().all()


@pytest.mark.parametrize(("fusion", "shared"), [("product", False), ("max", True)])
def test_compilation(fusion, shared):
    module = layer(fusion=fusion, shared=shared)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(pyramid()), module(pyramid()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": (2, 3)}, "channels=(2, 3), sizes=((7, 5), (4, 5), (2, 3)): both of each scale"),
        ({"channels": (2, 0, 4)}, "channels=(2, 0, 4)"),
        ({"channels": (), "sizes": ()}, "channels=(), sizes=(): both of each scale"),
        ({"sizes": ((7, 5), (4, 5), (0, 3))}, "sizes=((7, 5), (4, 5), (0, 3)): both of each scale"),
        ({"sizes": ((7, 5), (1, 5), (2, 3))}, "sizes=((7, 5), (1, 5), (2, 3)): the last is the top scale's"),
        ({"sizes": ((7, 5), (4, 2), (2, 3))}, "sizes=((7, 5), (4, 2), (2, 3)): the last is the top scale's"),
        ({"downsample": "min"}, "unknown downsample 'min'; choose from max, average, conv"),
        ({"fusion": "mean"}, "unknown fusion 'mean'; choose from product, sum, max"),
        ({"normalise": "L2"}, "unknown normalise 'L2' (did you mean l2?); choose from l2, l1"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        PyramidAttention(**{"channels": CHANNELS, "sizes": SIZES} | options)


@pytest.mark.parametrize(
    ("scale", "shape", "message"),
    [
        (2, (2, 4, 2, 3, 3), "maps of scale 3 are 3 x 3; this layer was built for 2 x 3"),
        (0, (2, 2, 2, 9, 5), "maps of scale 1 are 9 x 5; this layer was built for 7 x 5"),
        (1, (2, 4, 2, 4, 5), "maps of scale 2 have shape (2, 4, 2, 4, 5); (B, 3, K, H, W) is expected"),
        (1, (2, 3, 4, 5), "maps of scale 2 have shape (2, 3, 4, 5)"),
        (0, (2, 2, 3, 7, 5), "maps of scale 1 hold 2 clips of 3 frames; those of the top scale 2 of 2"),
        (1, (3, 3, 2, 4, 5), "maps of scale 2 hold 3 clips of 2 frames; those of the top scale 2 of 2"),
    ],
)
def test_maps_that_do_not_fit_are_refused(scale, shape, message):
    maps = pyramid()
    maps[scale] = noise(*shape)
    with pytest.raises(InputError, match=re.escape(message)):
        layer()(maps)
    with pytest.raises(InputError, match="maps of 2 scales; this layer was built for 3"):
        layer()(maps[1:])
    with pytest.raises(InputError, match=re.escape("maps of scale 1 have shape (2, 2, 0, 7, 5); (B, 2, K, H, W)")):
        layer()(pyramid(frames=0))
