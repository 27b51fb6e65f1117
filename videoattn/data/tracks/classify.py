"""From the tracks of training and test videos to the test videos' scores.

H. Wang, C. Schmid. Action Recognition with Improved Trajectories, ICCV 2013, section 4.2: linear SVMs with C = 100, one
class against the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from sklearn.svm import LinearSVC

from videoattn.data.datasets.videos import Source, VideoList
from videoattn.data.tracks.features import IDTReport, TrackCache
from videoattn.data.tracks.fisher import Words, encode, learn
from videoattn.data.tracks.scores import VideoScores, load_scores, save_scores
from videoattn.data.tracks.settings import IDTSettings, digest
from videoattn.data.tracks.tracks import DESCRIPTORS
from videoattn.errors import InputError, RunError
from videoattn.io import atomic
from videoattn.progress import track

_ABSENT = -1.0  # what the SVM of a class without training videos says of every video
_VERSION = 1  # of what vectors and scores mean


@dataclass(frozen=True)
class IDTResult:
    """scores: of the test videos. report: of the tracks of all videos. vector: numbers of a clip's Fisher vector."""

    scores: VideoScores
    report: IDTReport
    vector: int


def idt_scores(
    train: VideoList,
    test: VideoList,
    *,
    root: Path,
    settings: IDTSettings,
    workers: int,
    decode_limit: float = 10.0,
    progress: bool = True,
) -> IDTResult:
    """Scores of the test videos by SVMs of the training videos; nothing of the test videos enters but through those.

    All is kept under `root` as soon as it is computed: the tracks of each video, the mixture of each descriptor, the
    vector of each video, the scores. Calling again after an interrupt or a kill goes on from there.

    Raises:
        InputError: lists of different classes, or of several labels a video; no training video; too few tracks for
            the Gaussians.
        RunError: a video cannot be read; the disk refuses.
    """
    if train.multilabel or train.heads:
        raise InputError(f"videos of {train.data_set} have several labels; an SVM a class needs one label a video")
    if train.classes != test.classes or not train.samples:
        raise InputError(
            f"{len(train.samples)} training videos of {len(train.classes)} classes, and test videos of "
            f"{len(test.classes)}; there must be some, and the classes must be the same"
        )
    cache = TrackCache(root, settings)
    sources = [sample.source for sample in (*train.samples, *test.samples)]
    report = cache.build(sources, workers=workers, decode_limit=decode_limit, progress=progress)
    if report.unreadable:
        raise RunError(f"{len(report.unreadable)} videos cannot be read, the first: {report.unreadable[0]}")
    own = {cache.digest(sample.source): sample.source for sample in train.samples}
    values = asdict(settings)
    key = digest([_VERSION, settings.tracks_key(), values["gaussians"], values["sampled"], values["seed"], sorted(own)])
    folder = cache.root / f"vectors-{key}"
    words = _words(cache, [own[name] for name in sorted(own)], folder, progress)
    size = sum(part.size for part in words.values())
    labelled = [[(cache.digest(sample.source), sample.label) for sample in videos.samples] for videos in (train, test)]
    named = [sample.name for sample in test.samples]
    target = folder / f"scores-{digest([settings.cost, train.classes, labelled, named])}.npz"
    if not target.is_file():
        vectors = np.stack(
            list(track(_vectors(cache, sources, folder, words), total=len(sources), what="vectors", show=progress))
        )
        first, rest = np.split(vectors, [len(train.samples)])
        labels = [sample.label for sample in train.samples]
        found = svm_scores(first, labels, rest, classes=len(train.classes), cost=settings.cost)
        save_scores(target, VideoScores(tuple(named), train.classes, found))
    return IDTResult(load_scores(target, names=named, classes=train.classes), report, size)


def svm_scores(
    train: np.ndarray, labels: Sequence[int], test: np.ndarray, *, classes: int, cost: float = 100.0
) -> np.ndarray:
    """Decision values of one linear SVM a class against the rest: float64 (m, classes).

    train: (n, d). test: (m, d). labels: n numbers in [0, classes). A class without training videos has -1 throughout,
    as an SVM without positives would say. Raises InputError for other labels, or a single class among them.

    The squared hinge loss, by Newton steps in a basis of the training vectors, in which the SVMs lie: the same result
    from n x n numbers instead of n x d.
    """
    labels = np.asarray(labels)
    present = np.unique(labels)
    if len(labels) != len(train) or len(present) < 2 or present[0] < 0 or present[-1] >= classes:
        found = f"{len(labels)} labels, {', '.join(map(str, present[:5]))} ..., for {len(train)} vectors"
        raise InputError(f"{found}; there must be one each in [0, {classes}), of two classes at least")
    train, test = np.asarray(train, np.float64), np.asarray(test, np.float64)
    if len(train) < train.shape[1]:
        basis, mixed = np.linalg.qr(train.T)
        train, test = mixed.T, test @ basis
    values = np.full((len(test), classes), _ABSENT)
    if not len(test):
        return values
    found = LinearSVC(C=cost, dual=False, tol=1e-8, max_iter=10_000).fit(train, labels).decision_function(test)
    values[:, present] = found if found.ndim == 2 else np.stack([-found, found], axis=1)
    return values


def _words(cache: TrackCache, videos: Sequence[Source], folder: Path, show: bool) -> Mapping[str, Words]:
    """PCA and mixture of each descriptor, each learned from the same tracks of the training videos."""
    words, missing = {}, []
    for name in DESCRIPTORS:
        path = folder / f"{name}.npz"
        if path.is_file():
            words[name] = Words.load(path)
        else:
            missing.append(name)
    chosen = _chosen([cache.count(video) for video in videos], cache.settings) if missing else []
    for name in track(missing, total=len(missing), what="mixtures", show=show):
        picked = [cache.descriptor(video, name)[rows] for video, rows in zip(videos, chosen, strict=True) if len(rows)]
        if not picked:
            raise InputError(f"none of {len(videos)} training videos has a track; a shorter length may give some")
        words[name] = learn(np.concatenate(picked), cache.settings)
        words[name].save(folder / f"{name}.npz")
    return {name: words[name] for name in DESCRIPTORS}


def _chosen(counts: Sequence[int], settings: IDTSettings) -> list[np.ndarray]:
    """Which tracks of each video the mixtures are fitted to: `sampled` of all, each as likely."""
    total = sum(counts)
    rows = np.arange(total)
    if total > settings.sampled:
        rows = np.sort(np.random.default_rng(settings.seed).choice(total, settings.sampled, replace=False))
    ends = np.cumsum(counts)
    parts = np.split(rows, np.searchsorted(rows, ends)[:-1])
    return [part - (end - count) for part, end, count in zip(parts, ends, counts, strict=True)]


def _vectors(
    cache: TrackCache, videos: Sequence[Source], folder: Path, words: Mapping[str, Words]
) -> Iterator[np.ndarray]:
    for video in videos:
        path = folder / "videos" / f"{cache.digest(video)}.npy"
        if not path.is_file():
            vector = encode({name: cache.descriptor(video, name) for name in words}, words)
            with atomic(path) as file:
                np.save(file, vector)
        yield np.load(path, allow_pickle=False)
