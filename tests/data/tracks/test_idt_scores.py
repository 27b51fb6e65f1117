import numpy as np
import pytest
from scipy.io import savemat

from videoattn.data.tracks.scores import VideoScores, load_scores, save_scores
from videoattn.errors import InputError

CLASSES = ("Jump", "Punch")
NAMES = ("Jump/v_Jump_g01_c01.avi", "Punch/v_Punch_g01_c01.avi", "Punch/v_Punch_g02_c01.avi")
VALUES = np.array([[0.5, -1.0], [0.25, 2.0], [-3.0, 0.0]])
BARE = ["v_Jump_g01_c01", "v_Punch_g01_c01", "v_Punch_g02_c01"]


def load(path, names=NAMES, classes=CLASSES):
    return load_scores(path, names=names, classes=classes)


def stored(folder, suffix=".npz", **arrays):
    path = folder / f"scores{suffix}"
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        savemat(path, arrays)
    return path


def test_what_is_saved_is_read_in_the_order_asked_for(tmp_path):
    save_scores(tmp_path / "deep" / "own.npz", VideoScores(NAMES, CLASSES, VALUES))
    found = load(tmp_path / "deep" / "own.npz", NAMES[::-1], CLASSES[::-1])
    assert (found.names, found.classes) == (NAMES[::-1], CLASSES[::-1])
    np.testing.assert_array_equal(found.values, VALUES[::-1, ::-1])
    assert load(tmp_path / "deep" / "own.npz", NAMES[1:2]).values.tolist() == [[0.25, 2.0]]
    save_scores(tmp_path / "empty.npz", VideoScores((), CLASSES, np.empty((0, 2))))
    assert load(tmp_path / "empty.npz", ()).values.shape == (0, 2)


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
@pytest.mark.parametrize(
    "names",
    [
        BARE,
        [f"{name}.AVI" for name in BARE],
        [f"UCF-101/{name[:-4]}.mp4" for name in NAMES],
        [name.replace("/", "\\") for name in NAMES],
    ],
)
def test_names_without_folders_or_suffix(tmp_path, suffix, names):
    path = stored(tmp_path, suffix, names=names, scores=VALUES.astype(np.float32))
    np.testing.assert_array_equal(load(path, NAMES[::-1]).values, VALUES[::-1])


@pytest.mark.parametrize("shape", [(3, 1), (1, 3)])
def test_cell_arrays(tmp_path, shape):
    names = np.array(BARE, dtype=object).reshape(shape)
    classes = np.array([["Punch", "Jump"]], dtype=object)
    path = stored(tmp_path, ".mat", names=names, scores=VALUES, classes=classes)
    np.testing.assert_array_equal(load(path).values, VALUES[:, ::-1])


def test_other_keys_and_whole_numbers(tmp_path):
    path = stored(tmp_path, video=BARE, values=np.int32([[1, 2], [3, 4], [5, 6]]))
    found = load_scores(path, names=NAMES, classes=CLASSES, names_key="video", scores_key="values")
    assert found.values.dtype == np.float64
    assert found.values.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"names": BARE[:2]}, r"scores in .* is float64 \(3, 2\); it must be numbers, \(2, 2\)"),
        ({"names": [*BARE[:2], "v_Other"]}, "has no scores for 1 of 3 videos: Punch/v_Punch_g02_c01.avi$"),
        ({"names": ["a", "b", "c"]}, "has no scores for 3 of 3 videos: Jump/v_Jump_g01_c01.avi, Punch/"),
        ({"names": [BARE[0], BARE[1], BARE[1]]}, "holds more than one row for v_Punch_g01_c01$"),
        ({"names": [NAMES[0], NAMES[1], "Jump/v_Punch_g02_c01.avi"]}, "no scores for 1 of 3 .*Punch_g02"),
        ({"scores": np.zeros((3, 3))}, "scores in .* has 3 classes; the data set has 2"),
        ({"scores": np.zeros((3, 2, 1))}, "it must be numbers"),
        ({"scores": np.where(VALUES == 2, np.nan, VALUES)}, "not finite, for Punch/v_Punch_g01_c01.avi$"),
        (
            {"scores": np.where(VALUES < 0, np.inf, VALUES)},
            "not finite, for Jump/v_Jump_g01_c01.avi, Punch/v_Punch_g02",
        ),
        ({"scores": VALUES + 1j}, "it must be numbers"),
        ({"names": [1.0, 2.0, 3.0]}, "names in .* must be a list of texts"),
        ({"classes": ["Jump", "Run"]}, "classes in .* are not those of the data set: it lacks Punch"),
        ({"classes": ["Jump", "Punch", "Jump"]}, "it names some twice or other ones: Jump, Punch, Jump"),
    ],
)
def test_faults_are_named(tmp_path, suffix, change, says):
    path = stored(tmp_path, suffix, **{"names": BARE, "scores": VALUES} | change)
    with pytest.raises(InputError, match=says):
        load(path)


def test_a_name_that_stands_for_two_videos(tmp_path):
    path = stored(tmp_path, names=["1", "2"], scores=VALUES[:2])
    with pytest.raises(InputError, match=r"one row for what are several videos: red/1.mp4, blue/1.mp4"):
        load(path, ("red/1.mp4", "blue/1.mp4", "blue/2.mp4"))


def test_arrays_that_are_missing_and_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="has no array 'scores'; it holds names, score"):
        load(stored(tmp_path, names=BARE, score=VALUES))
    with pytest.raises(InputError, match="has no array 'names'; it holds none"):
        load(stored(tmp_path, ".mat"))
    with pytest.raises(InputError, match="there is no file"):
        load(tmp_path / "nothing.npz")
    with pytest.raises(InputError, match=r"scores.csv is neither .npz nor .mat"):
        load(tmp_path / "scores.csv")
    whole = stored(tmp_path, names=BARE, scores=VALUES).read_bytes()
    matlab = b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\x00\x02IM" + bytes(400)
    for name, content in {"a.npz": whole[:200], "b.npz": b"", "c.mat": b"text", "d.mat": b"", "e.mat": matlab}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name} cannot be read .*{'-v7' if name == 'e.mat' else ''}"):
            load(tmp_path / name)


def test_nothing_pickled_is_read(tmp_path):
    path = tmp_path / "pickled.npz"
    np.savez(path, names=np.array(BARE, dtype=object), scores=VALUES)
    with pytest.raises(InputError, match=r"cannot be read .*allow_pickle"):
        load(path)
