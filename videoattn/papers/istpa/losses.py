r"""The losses of pyramid attention, as printed and in a form that can be trained.

W. Hu, H. Liu, Y. Du, C. Yuan, B. Li, S. Maybank. Interaction-Aware Spatio-Temporal Pyramid Attention Networks for
Action Classification, sections 3.3 and 3.4.

    (8) L_interactive = -sum((A^T X^T X A) o I) + sum of squares((A^T A) o (1 - I))
    (9) delta_m^j = ||a_m - softmax(y_m^j)||
    (10) L_attn = sqrt(sum_j sum_m (1 - (delta_m^j)^2))
    (11) L_class = -sum_c l_c log p_c
    (12) L_final = -L_class + beta L_interactive + gamma L_attn + lambda sum_theta w_theta^2
    (14) L_attn = sqrt(sum_j sum_m sum_t (1 - (delta_mt^j)^2))         of K frames
    (15) delta_mt^j = ||a_mt - softmax(y^j)_mt||                       the part of frame t; softmax over all K n
    (16) L_class = -1/K sum_t sum_c l_tc log p_tc

X: features of the top scale, C x K n; A: attention, K n x n; o: element by element; p: probabilities; the rest as in
`attention`. All are means over the clips of a batch.

`form="literal"` is what is printed, `form="stable"` the default. Each loss says what is wrong with its literal form.

Departures: in the stable forms, as said there. (10) prints S for delta; (12) prints a minus before L_class, which has
one already.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as functional
from einops import rearrange
from torch import Tensor, nn

from videoattn.errors import InputError, unknown

FORMS = ("stable", "literal")


def interaction_loss(maps: Tensor, attention: Tensor, *, form: str = "stable") -> Tensor:
    """How far the columns of A are from a PCA's basis of X: little energy in X A, much overlap of columns.

    The literal first term is -||X A||_F^2, with no lower bound: features that grow by s lower it by s^2. The second is
    ||A^T A||_F^2 - n for unit columns; entries of A are not negative, so that it is 0 only where no two columns share a
    source. Both terms are sums, of C n squares and of n (n - 1).

    Stable: both are means, between 0 and 1. The energy is the part of X's own, ||X a_m||^2 / ||X||_F^2 in the mean over
    m, with X held fixed, since (7) is a minimum over A alone, and with columns made unit if they are not. The value is
    between -1 and 1, so its weight has to be larger than the printed one to have an effect.

    Args:
        maps: of the top scale, (B, C, K, H, W). attention: (B, K n, n), from `Scores`.
        form: "stable" or "literal".
    """
    check_form(form)
    n = attention.shape[2]
    with torch.autocast(attention.device.type, enabled=False):
        x = maps.flatten(2).to(attention.dtype)
        if form == "stable":
            x, attention = functional.normalize(x.detach(), dim=(1, 2)), functional.normalize(attention, dim=1)
        energy = (x @ attention).square().sum((1, 2))  # Eq. (8): the trace
        products = attention.mT @ attention
        overlap = (products * (1 - torch.eye(n, device=products.device))).square().sum((1, 2))
        if form == "stable":
            energy, overlap = energy / n, overlap / max(n * (n - 1), 1)
        return (overlap - energy).mean()


def pyramid_loss(attention: Tensor, scales: Sequence[Tensor], *, frames: int, form: str = "stable") -> Tensor:
    """How near the fused attention is to that of each scale.

    delta is said to be at most 1, but reaches sqrt(2), where both are one-hot at different sources. So the literal root
    can be one of a negative number, NaN, at K = 1, and of 0 with an infinite slope at K = 2. Its value is of the order
    sqrt(N n K). Diffuse attention alone brings the distance near 1, with one scale too: ||a_m|| is 1, and the norm of
    the softmax 1 / sqrt(K n); the stable form keeps that.

    Stable: the mean over j and m of 1 - ||a_m - softmax(y_m^j)||^2 / 2, between 0 and 1 at any K, without a root.

    Args:
        attention, scales: A and the Y_j, (B, K n, n), from `Scores`. frames: K.
        form: "stable" or "literal".
    """
    check_form(form)
    if frames < 1 or attention.shape[1] % frames:
        raise InputError(f"frames={frames}: attention over {attention.shape[1]} sources is not of as many frames")
    shares = torch.stack([y.softmax(1) for y in scales])
    differences = rearrange(attention - shares, "j b (t k) m -> j b t k m", t=frames)
    squares = differences.square().sum(3)  # Eq. (9), (15): delta^2
    if form == "literal":
        return (1 - squares).sum((0, 2, 3)).sqrt().mean()  # Eq. (10), (14)
    return (1 - squares.sum(2) / 2).mean()


def class_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of scores (B, classes), one prediction a video, or (B, K, classes), one a frame; labels (B,).

    (16) needs a prediction of each frame, which exist only where frames are not merged; with the one prediction that
    pyramid attention leaves it is (11).
    """
    if scores.dim() == 2:
        return functional.cross_entropy(scores, labels)  # Eq. (11)
    frames = scores.shape[1]
    return functional.cross_entropy(scores.flatten(0, 1), labels.repeat_interleave(frames))  # Eq. (16)


def final_loss(
    classification: Tensor,
    interaction: Tensor,
    pyramid: Tensor,
    parameters: Iterable[nn.Parameter] = (),
    *,
    beta: float = 1e-4,
    gamma: float = 1e-4,
    decay: float = 4e-5,
    form: str = "stable",
) -> Tensor:
    """The weighted sum of all losses.

    The literal form subtracts the classification loss, so that a minimum is as wrong as possible, without a bound.

    Args:
        classification, interaction, pyramid: from the functions above.
        parameters: w_theta; those that are not trained are left out. None where the optimizer decays the weights: its
            weight_decay is 2 lambda for the sum of squares as printed.
        beta, gamma, decay: the weights; decay is lambda. Defaults as in section 5.
        form: "stable" or "literal".
    """
    check_form(form)
    sign = -1 if form == "literal" else 1
    total = sign * classification + beta * interaction + gamma * pyramid  # Eq. (12)
    for w in parameters:
        if w.requires_grad:
            total = total + decay * w.square().sum()
    return total


def check_form(form: str) -> None:
    if form not in FORMS:
        raise unknown("form", form, FORMS)
