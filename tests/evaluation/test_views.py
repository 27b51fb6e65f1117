"""Crops of a video are averaged, videos keep their order, the network is only read."""

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import Dataset

from videoattn.engine.predict import predict
from videoattn.progress import Progress


class Videos(Dataset):
    """Five videos of `crops` crops; the pixels of crop v of video i are 10 i + v (RGB) and its negative (flow)."""

    def __init__(self, crops: int):
        self.crops = crops

    def __len__(self) -> int:
        return 5

    def __getitem__(self, i: int) -> tuple[dict[str, Tensor], int]:
        rgb = (10.0 * i + torch.arange(self.crops)).view(-1, 1, 1, 1, 1).expand(-1, 3, 2, 2, 2)
        return {"rgb": rgb, "flow": -rgb}, 4 - i


class Squares(nn.Module):
    """Scores that are not linear in the clip: (mean, mean squared); a batch norm and a dropout watch the mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm3d(3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, clip: dict[str, Tensor]) -> dict[str, Tensor]:
        self.norm(clip["rgb"])
        means = {s: self.dropout(part).mean((1, 2, 3, 4)) for s, part in clip.items()}
        return {s: torch.stack([m, m.square()], 1) for s, m in means.items()}


@pytest.mark.parametrize("crops", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_scores_are_means_over_crops_in_the_order_of_the_videos(crops, batch_size):
    network = Squares().train()
    scores, labels = predict(
        network,
        Videos(crops),
        accelerator=Accelerator(cpu=True),
        batch_size=batch_size,
        progress=Progress("testing", 5, what="video", lines=False),
    )
    assert labels.tolist() == [4, 3, 2, 1, 0]
    for stream, sign in (("rgb", 1), ("flow", -1)):
        values = [[sign * (10 * i + v) for v in range(crops)] for i in range(5)]
        expected = [[sum(video) / crops, sum(x * x for x in video) / crops] for video in values]
        torch.testing.assert_close(scores[stream], torch.tensor(expected, dtype=torch.float32))
    assert network.norm.num_batches_tracked == 0
    assert not scores["rgb"].requires_grad
