"""The relation probe is what it says: no marker tells the class, both together do, and each keeps to its cell."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from videoattn.data.datasets import load
from videoattn.data.decode.decoder import Decoder
from videoattn.data.probes import store
from videoattn.data.probes.appearance import HUES, chroma
from videoattn.data.probes.relation import RelationProbe
from videoattn.data.probes.video import write_video
from videoattn.errors import InputError

PROBE = RelationProbe(train=48, test=6, frames=3, rows=2, columns=4, seed=5)
MANY = 6000  # scenes that are counted
LEVEL = 0.005  # of the tests over counts


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """[(decoded frames (T, H, W, 3), label, truth)] of the training clips, as the `folder` data set reads them."""
    root = PROBE.generate(tmp_path_factory.mktemp("probes"), workers=1, progress=False)
    truth = store.read_truth(root)["clips"]
    with Decoder() as decoder:
        return [
            (decoder.frames(sample.path, range(decoder.info(sample.path).frames)), sample.label, truth[sample.name])
            for sample in load("folder", root, "train").samples
        ]


@pytest.fixture(scope="module")
def scenes():
    probe = RelationProbe(train=MANY, seed=1)
    return probe, [probe.scene("train", number) for number in range(MANY)]


def cells(frames: np.ndarray, probe: RelationProbe) -> np.ndarray:
    """(T, rows, columns, cell, cell, 2): Cb and Cr of each cell, in shares of the full range."""
    red, green, blue = np.moveaxis(frames / 255, -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    colour = np.stack([(blue - luma) / 1.772, (red - luma) / 1.402], axis=-1)
    t, h, w = probe.grid
    return colour.reshape(t, h, probe.cell, w, probe.cell, 2).swapaxes(2, 3)


def test_a_marker_is_seen_in_its_own_cell_and_frame_alone(clips):
    assert len(clips) == PROBE.train
    for frames, label, truth in clips:
        assert frames.shape == (3, 16, 32, 3)
        seen = cells(frames, PROBE)
        full = np.linalg.norm(seen[..., 2:-2, 2:-2, :].mean(axis=(3, 4)), axis=-1)
        found = {tuple(map(int, place)) for place in np.argwhere(full > 0.1)}
        assert found == {tuple(place) for place in truth["places"]}
        for place in truth["places"]:
            full[tuple(place)] = 0
        assert full.max() < 0.005
        for place, name in zip(truth["places"], truth["colours"], strict=True):
            middle = seen[tuple(place)][2:-2, 2:-2].mean(axis=(0, 1))
            nearest = np.argmin([np.linalg.norm(middle - chroma(hue)) for hue in PROBE.hues])
            assert HUES[PROBE.hues[nearest]] == name
        first, second = truth["colours"]
        assert PROBE.names[label] == ("same" if first == second else "different")
        assert truth["label"] == label
        assert truth["distance"] == sum(a != b for a, b in zip(*truth["places"], strict=True))


def test_what_a_marker_leaves_in_other_cells(tmp_path):
    """The same clip with and without one marker, encoded and decoded: the other frames are equal, the other cells
    nearly so."""
    with Decoder() as decoder:
        for number in range(12):
            frames, _, truth = PROBE.clip("train", number)
            t, h, w = truth["places"][0]
            own = (slice(h * 8, h * 8 + 8), slice(w * 8, w * 8 + 8))
            bare = next(s for s in range(3) if [s, h, w] not in truth["places"])
            without = frames.copy()
            without[t][own] = frames[bare][own]  # the ground stands still
            read = []
            for name, pictures in (("with.mp4", frames), ("without.mp4", without)):
                path = tmp_path / f"{number}-{name}"
                write_video(path, pictures, store.FPS)
                read.append(decoder.frames(path, range(3)).astype(float))
            change = np.abs(read[0] - read[1])
            assert np.delete(change, t, axis=0).max() == 0
            assert change[t][own].mean() > 20
            change[t][own] = 0
            assert change.max() <= 6  # of 255 levels
            assert change[t].reshape(2, 8, 4, 8, 3).mean(axis=(1, 3, 4)).max() < 1


@pytest.mark.parametrize("counts", [{"train": 6, "test": 7}, {"train": 100, "test": 1001}])
@pytest.mark.parametrize("distances", [(1,), (2, 1), (1, 2, 3)])
def test_classes_and_distances_are_balanced(counts, distances):
    probe = RelationProbe(distances=distances, **counts)
    for subset, count in counts.items():
        scenes = [probe.scene(subset, number) for number in range(count)]
        seen = [
            sum((scene.label, scene.distance) == kind for scene in scenes)
            for kind in itertools.product((0, 1), distances)
        ]
        assert max(seen) - min(seen) <= 1
        assert sum(seen) == count


def test_neither_colour_nor_place_tells_the_class(scenes):
    probe, shown = scenes
    labels = np.array([scene.label for scene in shown])
    distances = np.array([scene.distance for scene in shown])
    places = np.stack([np.ravel_multi_index(scene.places.T, probe.grid) for scene in shown])
    hues = np.stack([np.searchsorted(probe.hues, scene.hues) for scene in shown])
    for marker in (0, 1):
        for values, kinds in ((hues[:, marker], probe.colours), (places[:, marker], 64)):
            table = np.stack([np.bincount(values[labels == label], minlength=kinds) for label in (0, 1)])
            assert table.sum() == MANY
            assert stats.chi2_contingency(table).pvalue > LEVEL  # the same in both classes,
            assert stats.chisquare(table.sum(axis=0)).pvalue > LEVEL  # and uniform
            for distance in probe.distances:
                assert stats.chisquare(np.bincount(values[distances == distance], minlength=kinds)).pvalue > LEVEL
        by_place = np.bincount(places[:, marker] * 8 + hues[:, marker], minlength=512).reshape(64, 8)
        assert stats.chi2_contingency(by_place).pvalue > LEVEL
    pairs = np.bincount(hues[labels == 0] @ [8, 1], minlength=64).reshape(8, 8)
    assert np.trace(pairs) == 0  # "different" never shows the same,
    assert stats.chisquare(pairs[~np.eye(8, dtype=bool)]).pvalue > LEVEL  # and every other pair as often
    assert (hues[labels == 1, 0] == hues[labels == 1, 1]).all()


def test_cells_differ_along_every_axis_alike(scenes):
    _, shown = scenes
    for distance, kinds in ((1, 3), (2, 3), (3, 1)):
        ways = [tuple(np.flatnonzero(s.places[0] != s.places[1])) for s in shown if s.distance == distance]
        assert set(map(len, ways)) == {distance}
        counts = [ways.count(way) for way in itertools.combinations(range(3), distance)]
        assert len(counts) == kinds
        assert kinds == 1 or stats.chisquare(counts).pvalue > LEVEL
    steps = np.concatenate([(s.places[1] - s.places[0])[s.places[0] != s.places[1]] for s in shown])
    expected = np.array([1, 2, 3, 3, 2, 1]) / 12  # of two different numbers out of 0 .. 3
    counts = np.array([np.sum(steps == step) for step in (-3, -2, -1, 1, 2, 3)])
    assert stats.chisquare(counts, expected * len(steps)).pvalue > LEVEL


def accuracy(first: np.ndarray, second: np.ndarray) -> float:
    """The best of all readers that say "same" where first[colour] + second[colour] is above a threshold (C, C)."""
    c = first.shape[-1]
    added = first[:, None, :, None] + second[None, :, None, :]
    best = 0.0
    for threshold in range(-1, int(added.max()) + 1):
        same = added > threshold
        right = np.trace(same, axis1=-2, axis2=-1)
        wrong = same.sum(axis=(-2, -1)) - right
        share = 0.5 * right / c + 0.5 * (1 - wrong / (c * (c - 1)))
        best = max(best, float(np.maximum(share, 1 - share).max()))
    return best


@pytest.mark.parametrize("colours", [2, 3, 4])
def test_what_adding_up_can_reach(colours):
    numbers = np.array(list(itertools.product(range(colours), repeat=colours)), dtype=np.int8)
    blind = max(accuracy(one[None], one[None]) for one in numbers)
    assert blind == pytest.approx(RelationProbe(colours=colours).alone)
    assert accuracy(numbers, numbers) == pytest.approx(0.75)  # other numbers for either marker: the place tells which
    high = np.arange(colours)[None] < colours // 2
    assert accuracy(high.astype(int), high.astype(int)) == pytest.approx(blind)


@settings(max_examples=60, deadline=None)
@given(
    grid=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
    cell=st.sampled_from([8, 10, 16]),
    colours=st.integers(2, 16),
    number=st.integers(0, 1000),
    data=st.data(),
)
def test_clips_of_any_grid(grid, cell, colours, number, data):
    t, h, w = grid
    settings = {"frames": t, "rows": h, "columns": w, "cell": cell, "colours": colours}
    most = sum(length > 1 for length in grid)
    if most == 0 or min(h, w) * cell < 16:
        with pytest.raises(InputError):
            RelationProbe(**settings, distances=(1,))
        return
    distance = data.draw(st.integers(1, most))
    probe = RelationProbe(**settings, distances=(distance,))
    frames, label, truth = probe.clip("test", number)
    assert frames.shape == (t, h * cell, w * cell, 3)
    places = np.array(truth["places"])
    assert (places >= 0).all()
    assert (places < grid).all()
    assert np.sum(places[0] != places[1]) == distance == truth["distance"]
    assert {*truth["colours"]} <= {HUES[hue] for hue in probe.hues}
    coloured = np.abs(cells(frames, probe)).max(axis=-1) > 0.05
    marker = np.zeros((cell, cell), dtype=bool)
    marker[1:-1, 1:-1] = True
    for place in np.ndindex(grid):
        expected = marker if list(place) in truth["places"] else ~marker & marker
        np.testing.assert_array_equal(coloured[place], expected)
    other = np.delete(np.arange(t), places[:, 0])
    np.testing.assert_array_equal(frames[other], np.broadcast_to(frames[other[:1]], frames[other].shape))
    assert (truth["colours"][0] == truth["colours"][1]) == (probe.names[label] == "same")


def test_the_same_settings_give_the_same_bytes(tmp_path):
    probe = RelationProbe(train=6, test=6, seed=2)
    written = []
    for name in ("one", "two"):
        root = probe.generate(tmp_path / name, workers=1, progress=False)
        assert root.name.startswith("relation-")
        written.append({path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()})
    assert len(written[0]) == 13
    assert written[0] == written[1]
    others = [{"seed": 3}, {"train": 7}, {"colours": 4}, {"distances": (1, 2)}, {"frames": 5}]
    names = {store.folder_name(RelationProbe(**{"train": 6, "test": 6, "seed": 2} | settings)) for settings in others}
    assert len(names | {root.name}) == 6
    shown = {probe.clip(subset, number)[0].tobytes() for subset in ("train", "test") for number in range(6)}
    assert len(shown) == 12


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"train": 5}, "train=5: at least 6 clips"),
        ({"test": 1, "distances": (1,)}, "test=1: at least 2"),
        ({"train": "2000"}, "train='2000': expected a whole number"),
        ({"cell": 8.0}, "cell=8.0: expected a whole number"),
        ({"distances": (1, 2.5)}, r"distances=\(1, 2.5\): expected whole numbers"),
        ({"distances": 1}, "distances=1"),
        ({"distances": ()}, r"distances=\(\)"),
        ({"distances": (0, 1)}, r"distances=\(0, 1\).* \(1, 2, 3\) are possible"),
        ({"distances": (1, 1)}, r"distances=\(1, 1\): each may be given once"),
        ({"frames": 1}, r"distances=\(1, 2, 3\): with 1 x 4 x 4 cells those in \(1, 2\) are possible"),
        ({"frames": 1, "rows": 1, "cell": 16}, r"1 x 1 x 4 cells those in \(1,\) are possible"),
        ({"frames": 0}, "frames=0"),
        ({"rows": 0}, "rows=0"),
        ({"columns": -1}, "columns=-1"),
        ({"cell": 7}, "cell=7: expected an even number"),
        ({"cell": 2}, "cell=2: expected an even number from 4"),
        ({"rows": 1}, "rows=1 and columns=4 of cell=8 make frames of 8 x 32 pixels"),
        ({"colours": 1}, "colours=1: 2 to 16"),
        ({"colours": 17}, "colours=17: 2 to 16"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_refuses_settings_of_no_probe(settings, says):
    with pytest.raises(InputError, match=says):
        RelationProbe(**settings)
