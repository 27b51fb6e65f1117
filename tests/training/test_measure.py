"""Steps of one network: what they cost, with labels and precisions of all kinds; what cannot be measured."""

import os
import signal
from dataclasses import replace

import pytest
import timed
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from timed import CLASSES, CLOCK, RECIPE, Net, Points, pending, study_of
from torch import nn

from videoattn.errors import RunError
from videoattn.training import measure
from videoattn.training.estimate import estimate
from videoattn.training.jobs import Job
from videoattn.training.loading import LoaderDied, batch, load
from videoattn.training.measure import Cost

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _clock():
    with timed.by_the_clock():
        yield


def only(study):
    """The estimate of the only job."""
    (found,) = estimate(study, pending(study), device="cpu").jobs
    return found


@given(st.floats(0, 10), st.floats(0.01, 10), st.integers(1, 100))
def test_a_step_of_any_size_lies_on_the_line_through_two(fixed, each, videos):
    cost = Cost((1, 2), (fixed + each, fixed + 2 * each), (10, 17), 5)
    if each >= (fixed + 2 * each) / 4:
        assert cost.seconds(videos) == pytest.approx(fixed + each * videos)
    assert cost.seconds(2) == pytest.approx(fixed + 2 * each) or fixed > 2 * each
    assert cost.memory(videos) == 10 + 7 * (videos - 1)
    three = Cost((2, 3), (2.0, 2.5), (9, 8), 5)
    assert three.seconds(videos) == pytest.approx(1.0 + 0.5 * videos)
    assert three.memory(videos) == 9


def test_noise_does_not_make_videos_free():
    assert Cost((1, 2), (9.0, 4.0), (0, 0), 0).seconds(5) == pytest.approx(9.0 + 4 * 1.0)


def test_of_one_size_all_is_in_proportion_but_what_was_held():
    cost = Cost((4, 4), (2.0, 4.0), (90, 100), 20)
    assert [cost.seconds(videos) for videos in (1, 4, 6)] == [0.75, 3.0, 4.5]
    assert [cost.memory(videos) for videos in (1, 4, 8)] == [40, 100, 180]


def test_what_is_counted_is_warmed_up(monkeypatch):
    steps = []

    class Memory:
        def settle(self):
            pass

        def reset(self):
            steps.append("reset")

        def held(self):
            return 7

        def peak(self):
            return len(steps)

    def step(clip, labels):
        assert clip["rgb"].shape == (len(labels), 4)
        steps.append(len(labels))
        CLOCK.pass_by(len(steps))

    items, _ = load(Points(3), [(0, 0), (0, 1)])
    steps.clear()
    assert measure._measure(step, items, (4, 4), CPU, Memory()) == Cost((4, 4), (4.0, 6.0), (4, 6), 7)
    assert steps == ["reset", 4] * 3
    steps.clear()
    assert measure._measure(step, items, (1, 2), CPU, Memory()) == Cost((1, 2), (4.0, 8.0), (4, 8), 7)
    assert steps == ["reset", 1, "reset", 1, "reset", 2, "reset", 2]
    assert [measure.sizes(videos, torch.device("cuda")) for videos in (1, 8)] == [(1, 1), (8, 8)]
    assert [measure.sizes(videos, CPU) for videos in (1, 2, 8)] == [(1, 1), (1, 2), (1, 2)]


def test_items_come_from_a_copy_that_does_not_count_the_first():
    here = []

    def read(item):
        here.append(item)
        CLOCK.pass_by(100.0 if item == (0, 2) else 0.0)

    data = Points(5, seconds=3.0, read=read)
    before = CLOCK.now
    items, seconds = load(data, [(0, 2), (0, 0), (0, 4)])
    assert (seconds, here, CLOCK.now) == (3.0, [], before)
    expected = [data[0, i] for i in (2, 0, 4, 2)]
    clip, labels = batch(items, 4)
    torch.testing.assert_close(clip["rgb"], torch.stack([c["rgb"] for c, _ in expected]), rtol=0, atol=0)
    assert labels.tolist() == [label for _, label in expected]
    assert load(data, [(0, 2)])[1] == 103.0


def test_a_video_that_cannot_be_read_is_told_as_in_training():
    def fail(item):
        raise RunError("a video cannot be read: x.mp4")

    with pytest.raises(RunError, match=r"^a video cannot be read: x.mp4$"):
        load(Points(4, read=fail), [(0, 0)])


def test_what_cannot_be_measured_is_said_and_the_rest_goes_on(tmp_path):
    def die(item):
        os.kill(os.getpid(), signal.SIGKILL)

    class Large(Net):
        def __init__(self, when):
            super().__init__()
            self.when = when

        def forward(self, clip):
            if self.when is self.training:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return super().forward(clip)

        def to(self, device):
            if self.when is None:
                raise MemoryError
            return self

    jobs = (*(Job(name, RECIPE, "rgb") for name in "abcd"), Job("idt", None, "idt"))
    study = study_of(tmp_path, jobs=jobs, test_batch=5)
    whens = {"a": True, "b": False, "c": None, "d": "never"}
    study.build = lambda job, weights: Large(whens[job.name])
    found = estimate(study, pending(study), device="cpu")
    assert {job.name: job.unknown for job in found.jobs} == {
        "a": "out of memory with batches of 8 videos",
        "b": "out of memory in testing 5 videos at a time",
        "c": "out of memory with its weights alone",
        "d": "",
        "idt": "no network is trained",
    }
    with pytest.raises(LoaderDied):
        load(Points(4, read=die), [(0, 0)])
    dead = study_of(tmp_path, training=Points(4, read=die))
    assert only(dead).unknown == "the process that loads its videos died (killed, or out of memory)"


def test_other_errors_of_a_network_are_raised(tmp_path):
    study = study_of(tmp_path, lambda: nn.Linear(3, 3))
    with pytest.raises(TypeError):
        only(study)
    with pytest.raises(RuntimeError, match="shapes"):
        only(study_of(tmp_path, testing=Points(3, views=1), training=Points(3), loss=lambda s, _: s @ s))


@pytest.mark.parametrize(("videos", "seen"), [(2, {2}), (16, {2, 3})])
def test_a_batch_norm_that_refuses_one_video_gets_more(tmp_path, videos, seen):
    sizes = set()

    class Normed(Net):
        def __init__(self):
            super().__init__(fixed=0.5, each=0.25)
            self.norm = nn.BatchNorm1d(CLASSES)

        def forward(self, clip):
            scores = self.norm(super().forward(clip)["rgb"])
            if self.training:
                sizes.add(len(scores))
            return {"rgb": scores}

    found = only(study_of(tmp_path, Normed, training=Points(videos)))
    assert sizes == seen
    assert found.training == pytest.approx(3 * (2 * (0.5 + 8 * 0.25) if videos == 16 else 0.5 + 2 * 0.25))
    with pytest.raises(ValueError, match="more than 1 value"):
        only(study_of(tmp_path, Normed, training=Points(1)))


@pytest.mark.parametrize(
    ("label", "loss", "classes"),
    [
        (torch.tensor([1.0, 0.0, 1.0]), F.binary_cross_entropy_with_logits, CLASSES),
        (torch.tensor([1, 2]), lambda s, y: F.cross_entropy(s[:, :3], y[:, 0]) + F.cross_entropy(s[:, 3:], y[:, 1]), 7),
    ],
)
def test_labels_are_what_the_loss_takes(tmp_path, label, loss, classes):
    seen = []

    def noting(scores, labels):
        seen.append((labels.shape[1:], labels.dtype))
        return loss(scores, labels)

    parts = {"training": Points(16, label=label), "testing": Points(3, views=2, label=label)}
    found = only(study_of(tmp_path, lambda: Net(each=1.0, classes=classes), loss=noting, **parts))
    assert found.training == 48.0
    assert set(seen) == {(label.shape, label.dtype)}


@pytest.mark.parametrize(("precision", "dtype"), [("no", torch.float32), ("bf16", torch.bfloat16)])
def test_a_step_is_the_recipes(tmp_path, precision, dtype, monkeypatch):
    class Noting(Net):
        def forward(self, clip):
            scores = super().forward(clip)["rgb"]
            seen.append((self.training, torch.is_grad_enabled(), scores.dtype))
            return {"flow": scores} | ({"loss": 3 * scores.sum()} if self.training else {})

    seen, losses, norms = [], [], []
    whole = torch.Tensor.backward
    monkeypatch.setattr(torch.Tensor, "backward", lambda self: losses.append(self.item()) or whole(self))
    monkeypatch.setattr(nn.utils, "clip_grad_norm_", lambda _, norm: norms.append(norm))
    recipe = replace(RECIPE, precision=precision, clip_norm=5.0, lr=0.0)
    only(study_of(tmp_path, Noting, jobs=(Job("a", recipe, "flow"),), loss=lambda scores, _: -3 * scores.sum()))
    assert seen == [(True, True, dtype)] * 4 + [(False, False, dtype)] * 2
    assert losses == pytest.approx([0.0] * 4, abs=0.1)
    assert norms == [5.0] * 4
