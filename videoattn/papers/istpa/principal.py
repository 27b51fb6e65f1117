r"""What attention has in common with a principal component analysis, and what it cannot have.

W. Hu, H. Liu, Y. Du, C. Yuan, B. Li, S. Maybank. Interaction-Aware Spatio-Temporal Pyramid Attention Networks for
Action Classification, section 3.2.

    (5) e_1 = argmax_e sum_o (e^T v_o)^2 = argmax_e e^T X^T X e, ||e|| = 1
    (6) S = argmin_S -tr(S^T X^T X S), S S^T = I
    (7) A = argmin_A -tr(A^T X^T X A), A^T A = I

X: features, C x P for P positions (P = K n); v_o: the map of channel o, a row of X; S and A: P x r, r basis vectors in
columns. In this PCA each channel is a sample with P variables.

(5) is PCA only if the v_o have mean 0: `centre` subtracts the mean over channels at each position. The bias of (2) does
not: softmax takes no notice of it. With a square S, as printed, S S^T = I makes (6) constant, ||X||_F^2; with r < P
columns and S^T S = I it is PCA. Columns of an attention are not negative, so that A^T A = I needs disjoint supports:
n columns share the P positions out, and at P = n, one frame, A can only be a permutation. Where X is positive so is
e_1, and all further e_n have both signs: at most one column of A can be one of S. With unit columns alone (7) is
smallest where all of them are e_1.

Departures: none.
"""

import torch
import torch.nn.functional as functional
from torch import Tensor

from videoattn.errors import InputError


def second_moment(x: Tensor, *, centre: bool = False) -> Tensor:
    """X^T X: (..., C, P) -> (..., P, P); with `centre` C times the covariance of the positions over channels."""
    if centre:
        x = x - x.mean(-2, keepdim=True)
    return x.mT @ x


def principal_basis(x: Tensor, count: int, *, centre: bool = False) -> Tensor:
    """e_1 ... e_r: (..., C, P) -> (..., P, r), unit and orthogonal, by falling energy, each of either sign.

    Raises:
        InputError: more columns than positions, or none.
    """
    if not 1 <= count <= x.shape[-1]:
        raise InputError(f"count={count}: features at {x.shape[-1]} positions have 1 to {x.shape[-1]} basis vectors")
    vectors = torch.linalg.eigh(second_moment(x, centre=centre)).eigenvectors  # Eq. (5): by rising energy
    return vectors[..., -count:].flip(-1)


def trace_loss(x: Tensor, basis: Tensor, *, centre: bool = False) -> Tensor:
    """-tr(S^T X^T X S), of a basis S or an attention A (..., P, r): (...), in units of X squared."""
    moment = second_moment(x, centre=centre)
    return -torch.einsum("...pr,...pq,...qr->...", basis, moment, basis)  # Eq. (6), (7)


def explained(x: Tensor, basis: Tensor, *, centre: bool = False) -> Tensor:
    """The part of X's energy that r columns keep: (...), between 0 and 1 where they are orthonormal."""
    total = second_moment(x, centre=centre).diagonal(dim1=-2, dim2=-1).sum(-1)
    return -trace_loss(x, basis, centre=centre) / total


def disjoint(attention: Tensor) -> Tensor:
    """The attention with A^T A = I that is left when each source serves one output alone: (..., P, n) -> the same.

    Each row keeps its largest entry; columns are then made unit. A column that is nowhere the largest is 0.
    """
    largest = torch.zeros_like(attention).scatter(-1, attention.argmax(-1, keepdim=True), 1)
    return functional.normalize(attention * largest, dim=-2)
