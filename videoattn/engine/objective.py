"""What the labels of a data set ask of a network's scores: outputs, loss and metrics."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from videoattn.data.datasets.videos import VideoList
from videoattn.evaluation.metrics import classification_metrics
from videoattn.evaluation.multilabel import charades_metrics, multilabel_loss


def classification_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of (B, classes) scores against (B,) labels, eq. (7) of CMA."""
    return F.cross_entropy(scores, labels)  # Eq. (7) of CMA


@dataclass(frozen=True)
class Objective:
    """One class of each video; or one of each of several heads; or any number of classes.

    heads: (name, classes) of each head, whose scores stand side by side; empty where there is one label. multilabel:
    a video may have any number of labels.

    Labels are (B,) for one class, (B, heads) for several heads, and (B, classes) of 0 and 1 for any number.
    """

    heads: tuple[tuple[str, int], ...] = ()
    multilabel: bool = False

    @classmethod
    def of(cls, videos: VideoList) -> "Objective":
        """That of a data set."""
        return cls(tuple((name, len(classes)) for name, classes in videos.heads), videos.multilabel)

    def outputs(self, classes: int) -> int:
        """How many scores a network gives of a data set with so many classes."""
        return sum(count for _, count in self.heads) or classes

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Of (B, outputs) scores: cross-entropy, its sum over the heads, or that of a sigmoid for each class."""
        if self.multilabel:
            return multilabel_loss(scores, labels)
        if self.heads:
            return sum(classification_loss(own, labels[:, i]) for i, own in enumerate(self._split(scores)))
        return classification_loss(scores, labels)

    def correct(self, scores: Tensor, labels: Tensor) -> Tensor:
        """How right each video's best scores are, (B,) from 0 to 1: whether the best class is its class, or one of
        its classes; of several heads the share of those that are right."""
        if self.multilabel:
            return labels.gather(1, scores.argmax(1, keepdim=True))[:, 0].float()
        if self.heads:
            best = torch.stack([own.argmax(1) for own in self._split(scores)], 1)
            return (best == labels).float().mean(1)
        return (scores.argmax(1) == labels).float()

    def metrics(self, scores: Tensor, labels: Tensor) -> dict[str, dict]:
        """Metrics of a test set by head: "" is the only one, or the name of one of several."""
        if self.multilabel:
            return {"": charades_metrics(scores, labels)}
        if self.heads:
            names = [name for name, _ in self.heads]
            own = zip(names, self._split(scores), labels.unbind(1), strict=True)
            return {name: classification_metrics(s, found) for name, s, found in own}
        return {"": classification_metrics(scores, labels)}

    def _split(self, scores: Tensor) -> tuple[Tensor, ...]:
        return scores.split([count for _, count in self.heads], dim=1)


ONE_CLASS = Objective()
