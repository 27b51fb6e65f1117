import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videoattn.data.tracks.descriptors import BINS, cells, oriented, split, summed


def votes_by_loop(x, y, bins, still=None):
    """The votes of one vector."""
    circle = bins if still is None else bins - 1
    votes, length = [0.0] * bins, math.hypot(x, y)
    if still is not None and length <= still:
        votes[-1] = 1.0
        return votes
    place = math.atan2(y, x) % (2 * math.pi) / (2 * math.pi) * circle
    below = math.floor(place)
    votes[below % circle] += length * (1 - (place - below))
    votes[(below + 1) % circle] += length * (place - below)
    return votes


def gradient_by_loop(image, row, column):
    """Neighbours' difference along x and y, mirrored at the border without repeating the edge."""
    height, width = image.shape
    left, right = abs(column - 1), (width - 1) - abs(width - 1 - (column + 1))
    up, down = abs(row - 1), (height - 1) - abs(height - 1 - (row + 1))
    return float(image[row, right]) - float(image[row, left]), float(image[down, column]) - float(image[up, column])


def cells_by_loop(gray, flow, point, window):
    """The four descriptors of one frame around one point: name -> (2, 2, bins)."""
    height, width = gray.shape
    tall, wide = min(window, height), min(window, width)
    top = min(max(round(float(point[1])) - tall // 2, 0), height - tall)
    left = min(max(round(float(point[0])) - wide // 2, 0), width - wide)
    found = {name: np.zeros((2, 2, bins)) for name, bins in BINS.items()}
    for row in range(tall):
        for column in range(wide):
            y, x = top + row, left + column
            cell = int(row >= tall // 2), int(column >= wide // 2)
            found["hog"][cell] += votes_by_loop(*gradient_by_loop(gray, y, x), 8)
            found["hof"][cell] += votes_by_loop(*flow[:, y, x], 9, still=0.4)
            found["mbhx"][cell] += votes_by_loop(*gradient_by_loop(flow[0], y, x), 8)
            found["mbhy"][cell] += votes_by_loop(*gradient_by_loop(flow[1], y, x), 8)
    return found


def parts(votes):
    """(..., 33) to the four descriptors by name."""
    return dict(zip(BINS, np.split(votes, np.cumsum([*BINS.values()])[:-1], axis=-1), strict=True))


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(5, 45),
    width=st.integers(5, 45),
    window=st.sampled_from([4, 16, 32]),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 1000),
)
def test_cells_are_those_of_a_plain_loop(height, width, window, place, seed):
    rng = np.random.default_rng(seed)
    gray = rng.integers(0, 256, (height, width), dtype=np.uint8)
    flow = rng.normal(0, 1, (2, height, width)).astype(np.float32)
    point = np.float32([place[0] * (width - 0.01), place[1] * (height - 0.01)])
    found = parts(cells(summed(gray, flow), point[None], window)[0])
    for name, expected in cells_by_loop(gray, flow, point, window).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-3, atol=2e-2 if name == "hog" else 1e-3)


@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        ((2, 0), {0: 2.0}),
        ((0, 2), {2: 2.0}),  # down is towards y
        ((-2, 0), {4: 2.0}),
        ((0, -2), {6: 2.0}),
        ((0, 0), {}),
        ((3 * math.cos(math.pi / 8), 3 * math.sin(math.pi / 8)), {0: 1.5, 1: 1.5}),
        ((math.cos(-math.pi / 16), math.sin(-math.pi / 16)), {7: 0.25, 0: 0.75}),
        ((1e-8, -1e-12), {0: 0.0}),  # an angle that rounds to the full circle
    ],
)
def test_a_vector_votes_for_its_two_neighbours(vector, expected):
    votes = oriented(*(np.full((1, 1), part, np.float32) for part in vector), bins=8)[0, 0]
    np.testing.assert_allclose(votes, [expected.get(index, 0) for index in range(8)], atol=1e-5)


def test_the_last_bin_of_hof_counts_what_rests():
    x = np.float32([[0.0, 0.4, 0.41, -3.0]])
    votes = oriented(x, np.zeros_like(x), bins=9, still=0.4)[0]
    np.testing.assert_allclose(votes[:, 8], [1, 1, 0, 0])
    np.testing.assert_allclose(votes[:, :8].sum(axis=1), [0, 0, 0.41, 3], rtol=1e-5)
    assert votes[3].argmax() == 4


def test_an_even_translation_has_flow_but_no_motion_boundaries():
    flow = np.empty((2, 48, 48), np.float32)
    flow[0], flow[1] = 3.0, -3.0
    found = parts(cells(summed(np.zeros((48, 48), np.uint8), flow), np.float32([[24, 24], [0, 47]]), 32))
    assert not found["mbhx"].any()
    assert not found["mbhy"].any()
    assert not found["hog"].any()
    np.testing.assert_allclose(found["hof"][..., 7], 256 * 3 * math.sqrt(2), rtol=1e-5)  # 16 x 16 pixels a cell
    assert np.delete(found["hof"], 7, axis=-1).max() < 1e-2


def test_a_rest_votes_for_the_last_bin_alone():
    found = parts(
        cells(summed(np.zeros((40, 40), np.uint8), np.zeros((2, 40, 40), np.float32)), np.float32([[9, 9]]), 32)
    )
    np.testing.assert_array_equal(found["hof"], np.broadcast_to([0] * 8 + [256], (1, 2, 2, 9)))


def test_ramps_and_expansion():
    """Brightness that rises to the right, and flow away from a point: each gradient has the bin of its direction."""
    row, column = np.mgrid[:40, :40].astype(np.float32)
    flow = np.stack([0.1 * (column - 20), 0.1 * (row - 20)])
    found = parts(cells(summed(np.uint8(5 * column), flow), np.float32([[20, 20]]), 32))
    for name, (bin_, votes) in {"hog": (0, 2560), "mbhx": (0, 51.2), "mbhy": (2, 51.2)}.items():
        np.testing.assert_allclose(found[name][..., bin_], votes, rtol=1e-4)
        assert np.delete(found[name], bin_, axis=-1).max() < 1e-3
    upper, lower = found["hof"][0, 0, 0], found["hof"][0, 1, 1]  # row, column: the flow leads outwards
    assert upper[:8].argmax() == 5
    assert lower[:8].argmax() == 1


def test_descriptors_in_the_order_time_row_column_bin():
    tubes = np.arange(2 * 3 * 2 * 2 * 33).reshape(2, 3, 2, 2, 33)
    found = split(tubes)
    assert {name: part.shape for name, part in found.items()} == {
        "hog": (2, 96),
        "hof": (2, 108),
        "mbhx": (2, 96),
        "mbhy": (2, 96),
    }
    assert found["hog"][1, 8 * (4 * 2 + 2 * 1 + 0) + 3] == tubes[1, 2, 1, 0, 3]
    assert found["hof"][0, 9 * (4 * 1 + 2 * 0 + 1) + 8] == tubes[0, 1, 0, 1, 16]
    assert found["mbhy"][0, 0] == tubes[0, 0, 0, 0, 25]
