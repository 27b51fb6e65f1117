import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from videoattn.data.clips.augment import (
    CENTRE,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Crop,
    apply_crop,
    centre_crop,
    check_ten_crops,
    draw_crop,
    flip,
    mirrored,
    normalise,
    ten_crops,
)
from videoattn.errors import InputError


def coordinates(height, width):
    """rgb (3, 2, H, W) whose channels 0 and 1 hold row and column, and flow (10, 2, H, W): x = column, y = row."""
    row, column = torch.meshgrid(torch.arange(height) * 1.0, torch.arange(width) * 1.0, indexing="ij")
    rgb = torch.stack([row, column, row + column])[:, None].repeat(1, 2, 1, 1)
    flow = torch.stack([column, row] * 5)[:, None].repeat(1, 2, 1, 1)
    return {"rgb": rgb, "flow": flow}


def test_crop_without_resize_holds_the_same_pixels_of_both():
    clip = apply_crop(coordinates(12, 16), Crop(top=2, left=5, height=8, width=8), 8)
    row, column = torch.meshgrid(torch.arange(2.0, 10), torch.arange(5.0, 13), indexing="ij")
    assert torch.equal(clip["rgb"][0, 1], row)
    assert torch.equal(clip["rgb"][1, 0], column)
    assert torch.equal(clip["flow"][8, 1], column)
    assert torch.equal(clip["flow"][9, 0], row)


def test_flipped_crop_mirrors_both_and_negates_x():
    clip = apply_crop(coordinates(12, 16), Crop(top=2, left=5, height=8, width=8, flip=True), 8)
    row, column = torch.meshgrid(torch.arange(2.0, 10), torch.arange(12.0, 4, -1), indexing="ij")
    assert torch.equal(clip["rgb"][0, 1], row)
    assert torch.equal(clip["rgb"][1, 0], column)
    assert torch.equal(clip["flow"][4, 1], -column)
    assert torch.equal(clip["flow"][5, 0], row)


@given(st.integers(0, 2**32 - 1), st.integers(20, 70), st.integers(20, 70), st.integers(8, 40))
def test_drawn_crops_fit_and_treat_both_alike(seed, height, width, size):
    crop = draw_crop(np.random.default_rng(seed), height=height, width=width, size=size, corners="thirteen")
    assert min(crop.top, crop.left) >= 0
    assert crop.top + crop.height <= height
    assert crop.left + crop.width <= width
    clip = apply_crop(coordinates(height, width), crop, size)
    rgb, flow = clip["rgb"], clip["flow"]
    assert rgb.shape == (3, 2, size, size)
    assert flow.shape == (10, 2, size, size)
    x = -flow[0::2] if crop.flip else flow[0::2]
    assert_close(x, rgb[1].expand_as(x))
    assert_close(flow[1::2], rgb[0].expand_as(flow[1::2]))


def test_resized_crop_keeps_flow_values():
    resized = apply_crop({"flow": torch.full((10, 3, 24, 32), 0.25)}, Crop(0, 0, 24, 24), 12)
    assert_close(resized, {"flow": torch.full((10, 3, 12, 12), 0.25)})


def test_resize_is_antialiased_bilinear():
    # Halving with the triangle filter of width 2: weights 1/8, 3/8, 3/8, 1/8 inside; at the edge 3/7, 3/7, 1/7.
    line = torch.tensor([0.0, 7.0, 14.0, 35.0, 0.0, 0.0, 8.0, 8.0]).expand(3, 1, 8, 8)
    halved = apply_crop({"rgb": line}, Crop(0, 0, 8, 8), 4)["rgb"]
    expected = [(3 * 0 + 3 * 7 + 14) / 7, (7 + 3 * 14 + 3 * 35 + 0) / 8, (35 + 0 + 0 + 8) / 8, (0 + 3 * 8 + 3 * 8) / 7]
    assert_close(halved[0, 0, 0], torch.tensor(expected))


def test_crop_of_the_network_size_is_exact_for_uint8():
    rgb = torch.randint(0, 256, (3, 2, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    clip = apply_crop({"rgb": rgb}, Crop(0, 0, 9, 9), 9)
    assert list(clip) == ["rgb"]
    assert clip["rgb"].dtype == torch.uint8
    assert torch.equal(clip["rgb"], rgb)


def test_sides_and_corners_of_tsn():
    # Shorter side 256: sides 256, 224, 192, int(168.96) = 168; heights and widths at most one step apart.
    rng = np.random.default_rng(0)
    crops = [draw_crop(rng, height=256, width=340, size=224) for _ in range(4000)]
    steps = [256, 224, 192, 168]
    expected = {(h, w) for i, h in enumerate(steps) for j, w in enumerate(steps) if abs(i - j) <= 1}
    assert {(crop.height, crop.width) for crop in crops} == expected
    at_224 = {(crop.top, crop.left) for crop in crops if (crop.height, crop.width) == (224, 224)}
    assert at_224 == {(0, 0), (0, 116), (32, 0), (32, 116), (16, 58)}
    assert abs(sum(crop.flip for crop in crops) - 2000) < 5 * np.sqrt(1000)


def test_thirteen_corners_add_the_middles_of_sides_and_quarters():
    rng = np.random.default_rng(0)
    crops = [
        draw_crop(rng, height=40, width=80, size=32, scales=(0.8,), corners="thirteen", flip=0) for _ in range(500)
    ]
    added = {(4, 0), (4, 48), (8, 24), (0, 24), (2, 12), (2, 36), (6, 12), (6, 36)}
    assert {(crop.top, crop.left) for crop in crops} == {(0, 0), (0, 48), (8, 0), (8, 48), (4, 24)} | added
    assert not any(crop.flip for crop in crops)


@pytest.mark.parametrize(("height", "side"), [(62, 62), (63, 63), (64, 64), (65, 64), (66, 64), (67, 67)])
def test_a_side_close_to_the_network_size_becomes_it_where_it_fits(height, side):
    crop = draw_crop(np.random.default_rng(0), height=height, width=90, size=64, scales=(1,))
    assert crop.height == crop.width == side


def test_the_centre_as_a_training_crop():
    rng = np.random.default_rng(0)
    drawn = [draw_crop(rng, height=41, width=60, size=32, scales=CENTRE, flip=0.5) for _ in range(50)]
    assert {(c.top, c.left, c.height, c.width) for c in drawn} == {(4, 14, 32, 32)}
    assert {c.flip for c in drawn} == {False, True}
    clip = coordinates(41, 61)
    cut = draw_crop(rng, height=41, width=61, size=32, scales=CENTRE, flip=0)
    assert torch.equal(apply_crop(clip, cut, 32)["rgb"], centre_crop(clip, 32)["rgb"])


def test_left_and_right_change_places_in_the_names_of_classes():
    classes = (
        "Pulling something from left to right",
        "Pulling something from right to left",
        "Putting something upright on the table",  # no side
        "Something left behind",  # no partner
        "turn-LEFT",
        "turn-right",
        "LiftRightArm",
        "lift_left_arm",
    )
    assert mirrored(classes) == (1, 0, 2, None, 5, 4, 7, 6)
    check_ten_crops(classes[2:3])
    for wrong in (classes[:2], classes[2:4]):
        with pytest.raises(InputError, match=f"{wrong[-1] if wrong[0] == classes[2] else wrong[0]}.*becomes another"):
            check_ten_crops(wrong)


def test_same_generator_draws_the_same_crop():
    crops = [draw_crop(np.random.default_rng(7), height=64, width=80, size=56) for _ in range(2)]
    assert crops[0] == crops[1]


def test_flip_twice_is_identity():
    clip = coordinates(6, 7)
    for stream, twice in flip(flip(clip)).items():
        assert torch.equal(clip[stream], twice)


def test_flip_keeps_a_batch_axis():
    clip = coordinates(6, 7)
    single, batch = flip(clip), flip({stream: maps[None] for stream, maps in clip.items()})
    for stream in clip:
        assert torch.equal(batch[stream][0], single[stream])


def test_centre_crop_by_hand():
    clip = centre_crop(coordinates(8, 10), 4)
    assert clip["rgb"][0, 0, :, 0].tolist() == [2, 3, 4, 5]
    assert clip["rgb"][1, 0, 0].tolist() == [3, 4, 5, 6]
    assert clip["flow"][0, 0, 0].tolist() == [3, 4, 5, 6]


def test_ten_crops_by_hand():
    clip = ten_crops(coordinates(8, 10), 4)
    rgb, flow = clip["rgb"], clip["flow"]
    assert rgb.shape == (10, 3, 2, 4, 4)
    assert flow.shape == (10, 10, 2, 4, 4)
    rows, columns = [0, 0, 4, 4, 2], [0, 6, 0, 6, 3]
    for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
        expected = list(range(column, column + 4))
        for view in (i, i + 5):
            assert rgb[view, 0, 0, :, 0].tolist() == list(range(row, row + 4))
            assert flow[view, 3, 1, :, 2].tolist() == list(range(row, row + 4))
        assert rgb[i, 1, 0, 0].tolist() == expected
        assert flow[i, 2, 1, 3].tolist() == expected
        assert rgb[i + 5, 1, 0, 0].tolist() == expected[::-1]
        assert flow[i + 5, 2, 1, 3].tolist() == [-x for x in expected[::-1]]


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_one_stream_alone_is_treated_as_with_the_other(stream):
    clip, crop = coordinates(8, 10), Crop(1, 2, 6, 5, flip=True)
    alone = {stream: clip[stream]}
    for change in (lambda c: apply_crop(c, crop, 4), flip, lambda c: centre_crop(c, 5), lambda c: ten_crops(c, 7)):
        assert list(change(alone)) == [stream]
        assert torch.equal(change(alone)[stream], change(clip)[stream])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_normalise_by_hand(dtype):
    rgb = torch.full((2, 3, 1, 2, 2), 51 if dtype == torch.uint8 else 0.2, dtype=dtype)
    expected = torch.tensor(
        [(0.2 - m) / s for m, s in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)], dtype=torch.float64
    )
    out = normalise(rgb)
    assert out.dtype == (torch.float32 if dtype == torch.uint8 else dtype)
    assert_close(out[1, :, 0, 1, 0].double(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda r, f: apply_crop({"rgb": r, "flow": f[..., :7]}, Crop(0, 0, 4, 4), 4),
            r"\(8, 10\), flow fields \(8, 7\)",
        ),
        (lambda r, f: apply_crop({"rgb": r, "flow": f}, Crop(5, 0, 4, 4), 4), "outside a frame of 8x10"),
        (lambda r, f: flip({"rgb": r, "flow": f[:9]}), r"flow of shape \(9, 2, 8, 10\)"),
        (lambda r, f: flip({"flow": f[:, 0]}), r"flow of shape \(10, 8, 10\)"),
        (lambda r, f: flip({"flow": f.byte()}), "uint8"),
        (lambda r, f: flip({}), "the streams none"),
        (lambda r, f: flip({"rgb": r, "depth": f}), "the streams rgb, depth"),
        (lambda r, f: centre_crop({"rgb": r}, 9), "9x9 does not fit a frame of 8x10"),
        (lambda r, f: ten_crops({"rgb": r, "flow": f}, 0), "0x0 does not fit"),
        (lambda r, f: normalise(f), r"RGB of shape \(10, 2, 8, 10\)"),
    ],
)
def test_bad_clips_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(*coordinates(8, 10).values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "size 0"),
        ({"scales": CENTRE, "size": 65}, "65x65 does not fit a frame of 64x64"),
        ({"scales": (1, 1.5)}, "1.5"),
        ({"corners": "six"}, "'six'; choose from five, thirteen"),
        ({"flip": 2}, "flip 2"),
    ],
)
def test_bad_values_are_refused(change, message):
    values = {"height": 64, "width": 64, "size": 48} | change
    with pytest.raises(InputError, match=message):
        draw_crop(np.random.default_rng(0), **values)
