"""Fisher vectors of clips: PCA, a mixture of Gaussians, and how a clip's tracks differ from it.

F. Perronnin, J. Sanchez, T. Mensink. Improving the Fisher kernel for large-scale image classification, ECCV 2010; the
values of H. Wang, C. Schmid, Action Recognition with Improved Trajectories, ICCV 2013, section 4.2:

    each descriptor is reduced to half by PCA, and has a mixture of K Gaussians with diagonal variance of its own;
    of a clip's n vectors x with responsibilities q_k(x), of means m_k, deviations s_k and weights w_k:
    (1) 1 / (n sqrt(w_k)) sum q_k(x) (x - m_k) / s_k
    (2) 1 / (n sqrt(2 w_k)) sum q_k(x) (((x - m_k) / s_k)^2 - 1)
    each component z becomes sign(z) sqrt(|z|), then the vector of the descriptor is brought to unit length; the
    descriptors' vectors are concatenated.

The paper leaves out the derivatives by the weights, K numbers with which scikit-image's vector begins.

Departures: the mixtures are fitted by scikit-learn, started by k-means, in at most 100 steps.

Fitting 256 Gaussians holds 13 kB a track in memory: 3.3 GB for 256,000 tracks; fewer `sampled` ones take less.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.feature import fisher_vector, learn_gmm
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from videoattn.data.tracks.settings import IDTSettings
from videoattn.errors import InputError
from videoattn.io import atomic

_STEPS = 100


@dataclass(frozen=True)
class Words:
    """PCA and mixture of one descriptor of d numbers, reduced to e = d / 2.

    mean: (d,). axes: (e, d). weights: (K,). means, variances: (K, e). All float64.
    """

    mean: np.ndarray
    axes: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    @property
    def size(self) -> int:
        """Length of a Fisher vector: 2 K e."""
        return 2 * self.means.size

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """The Fisher vector of (n, d) descriptors, float32 (2 K e,), of unit length; zero where n is 0."""
        if not len(vectors):
            return np.zeros(self.size, np.float32)
        mixture = GaussianMixture(len(self.weights), covariance_type="diag")
        mixture.weights_, mixture.means_, mixture.covariances_ = self.weights, self.means, self.variances
        mixture.precisions_cholesky_ = 1 / np.sqrt(self.variances)
        found = fisher_vector((vectors - self.mean) @ self.axes.T, mixture, improved=False)[len(self.weights) :]
        powered = np.sign(found) * np.sqrt(np.abs(found))
        return (powered / max(np.linalg.norm(powered), np.finfo(np.float64).tiny)).astype(np.float32)

    def save(self, path: Path) -> None:
        """As an .npz file, atomically. Raises RunError where the disk refuses."""
        with atomic(path) as file:
            np.savez(file, **{name: getattr(self, name) for name in self.__dataclass_fields__})

    @classmethod
    def load(cls, path: Path) -> "Words":
        """What `save` wrote; raises what numpy does where it is damaged."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(*(arrays[name] for name in cls.__dataclass_fields__))


def learn(vectors: np.ndarray, settings: IDTSettings) -> Words:
    """PCA and mixture of (n, d) descriptors of the training tracks. Raises InputError where they are too few."""
    count, reduced = len(vectors), vectors.shape[1] // 2
    if count < max(settings.gaussians, reduced):
        raise InputError(
            f"gaussians is {settings.gaussians}, and the training videos have {count} tracks; at least "
            f"{max(settings.gaussians, reduced)} are needed: take fewer Gaussians, or settings that give more tracks"
        )
    pca = PCA(reduced, svd_solver="covariance_eigh").fit(np.asarray(vectors, np.float64))
    options = {"covariance_type": "diag", "max_iter": _STEPS, "random_state": settings.seed}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture = learn_gmm([pca.transform(vectors)], n_modes=settings.gaussians, gm_args=options)
    return Words(pca.mean_, pca.components_, mixture.weights_, mixture.means_, mixture.covariances_)


def encode(descriptors: Mapping[str, np.ndarray], words: Mapping[str, Words]) -> np.ndarray:
    """The vectors of a clip's descriptors in the order of `words`, concatenated: float32 (total,)."""
    return np.concatenate([part.encode(descriptors[name]) for name, part in words.items()])
