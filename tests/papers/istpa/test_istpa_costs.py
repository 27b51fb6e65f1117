"""What the layer costs: formulas against what is counted, and against what the paper prints."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videoattn.papers.istpa import closed_forms
from videoattn.papers.istpa.attention import DOWNSAMPLING, FUSIONS, PyramidAttention
from videoattn.reporting.cost import count, parameters

INCEPTION = {"channels": (320, 1088, 2080), "sizes": ((35, 35), (17, 17), (8, 8))}


def on_meta(**options: object) -> PyramidAttention:
    with torch.device("meta"):
        return PyramidAttention(**options)


def counted(module: PyramidAttention, frames: int) -> int:
    return count(
        module, [torch.empty(1, c, frames, *size) for c, size in zip(module.channels, module.sizes, strict=True)]
    )


@settings(max_examples=60, deadline=None)
@given(
    top=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    more=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=3),
    width=st.integers(1, 5),
    frames=st.integers(1, 4),
    downsample=st.sampled_from(DOWNSAMPLING),
    fusion=st.sampled_from(FUSIONS),
    shared=st.booleans(),
)
def test_cost_is_what_is_counted(top, more, width, frames, downsample, fusion, shared):
    sizes = (*((top[0] + h, top[1] + w) for h, w in more), top)
    channels = tuple(range(width, width + len(sizes)))
    kinds = {"downsample": downsample, "shared": shared}
    module = on_meta(channels=channels, sizes=sizes, fusion=fusion, **kinds)
    assert parameters(module) == closed_forms.layer_parameters(channels, sizes, **kinds)
    assert counted(module, frames) == closed_forms.layer_multiply_adds(channels, sizes, frames=frames, **kinds)


def test_convolutions_of_the_pyramid_of_inception_resnet():
    halved = [(320, 9, 17 * 17), (320, 9, 8 * 8), (1088, 9, 8 * 8)]
    assert closed_forms.convolutions(**INCEPTION) == halved
    plain, conv = (closed_forms.layer_parameters(**INCEPTION, downsample=kind) for kind in ("max", "conv"))
    assert (plain, conv - plain) == (223_424, 9 * (320 + 320 + 1088))


@pytest.mark.parametrize(
    ("scales", "exact", "printed"), [(1, 133_184, 57.24), (2, 202_880, 57.31), (3, 223_424, 57.33)]
)
def test_table_10_for_inception_resnet(scales, exact, printed):
    found = closed_forms.layer_parameters(INCEPTION["channels"][-scales:], INCEPTION["sizes"][-scales:])
    assert found == exact
    assert round(57.11 + found / 1e6, 2) == printed


@pytest.mark.parametrize("frames", [1, 3, 25])
def test_the_printed_cost_is_that_of_the_weights(frames):
    """One scale: C W H weights, each used by all K W H sources, and as many products again in M = X A."""
    channels, size = (2080,), ((8, 8),)
    printed, real = closed_forms.printed_cost(2080, (8, 8)), closed_forms.real_cost(2080, (8, 8), frames)
    module = on_meta(channels=channels, sizes=size)
    assert module.score[0].weight.numel() == printed == 133_120
    assert counted(module, frames) == 2 * real == 2 * frames * 64 * printed


def test_what_three_scales_cost_at_training_and_testing():
    costs = [counted(on_meta(**INCEPTION), frames) for frames in (1, 3, 25)]
    assert costs == [22_806_528, 68_419_584, 570_163_200]
    assert counted(on_meta(**INCEPTION, shared=True), 3) == 68_419_584 // 64
