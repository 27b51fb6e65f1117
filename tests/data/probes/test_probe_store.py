from concurrent.futures import ThreadPoolExecutor

import pytest

from videoattn.data.probes import store
from videoattn.data.probes.binding import BindingProbe
from videoattn.errors import InputError, RunError


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_same_settings_same_files_in_one_process_or_two(tmp_path, monkeypatch):
    probe = BindingProbe(train=60, test=8)
    alone = probe.generate(tmp_path / "one", workers=1, progress=False)
    monkeypatch.setattr(store, "POOL_FROM", 1)
    shared = probe.generate(tmp_path / "two", workers=2, progress=False)
    assert alone.name == shared.name
    assert len(files(alone)) == 69
    assert files(alone) == files(shared)


def test_is_done_once(tmp_path, monkeypatch):
    probe = BindingProbe(train=8, test=8)
    folder = probe.generate(tmp_path, progress=False)
    monkeypatch.setattr(store, "write_video", None)  # a second writing would fail
    assert probe.generate(tmp_path, progress=False) == folder


def test_other_settings_other_folder():
    changes = {"seed": 1, "objects": 4, "speed": (2.0, 2.5), "palette": 1, "feature": "texture", "camera": 0.5}
    probes = [BindingProbe(size=80), *(BindingProbe(size=80, **{name: value}) for name, value in changes.items())]
    assert len({store.folder_name(probe) for probe in probes}) == 7


def test_two_at_once(tmp_path):
    probe = BindingProbe(train=24, test=8)
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: probe.generate(tmp_path, progress=False), range(2)))
    assert made[0] == made[1]
    assert list(tmp_path.iterdir()) == [made[0]]
    assert len(files(made[0])) == 33


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    calls = []

    def full(path, frames, fps):
        calls.append(path)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_video", full)
    with pytest.raises(RunError, match="No space left on device"):
        BindingProbe(train=8, test=8).generate(tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_folder_is_not_taken_for_a_probe(tmp_path):
    probe = BindingProbe(train=8, test=8)
    (tmp_path / store.folder_name(probe)).mkdir()
    with pytest.raises(RunError, match=r"holds no probe\.json"):
        probe.generate(tmp_path, progress=False)


def test_refuses_no_workers(tmp_path):
    with pytest.raises(InputError, match="workers=0"):
        BindingProbe().generate(tmp_path, workers=0)


def test_the_levels_of_clips_come_from_the_truth(tmp_path):
    probe = BindingProbe(train=8, test=8, levels=(1.0, 2.0))
    folder = probe.generate(tmp_path, progress=False)
    truth = store.read_truth(folder)
    names = sorted(name for name in truth["clips"] if name.startswith("test"))
    assert store.probe_of(folder / names[0]) == folder
    assert store.probe_of(tmp_path / "other.mp4") is None
    expected = [truth["clips"][name]["level"] for name in names]
    assert store.levels(truth, names).tolist() == expected
    assert set(expected) <= {1.0, 2.0}
    plain = store.read_truth(BindingProbe(train=8, test=8).generate(tmp_path, progress=False))
    assert store.levels(plain, plain["clips"]) is None
    named = {"clips": {"a": {"level": "hard"}}}
    assert store.levels(named, ["a"]) is None
