"""What trained networks look at, measured against the probe's truth and drawn."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from ipywidgets import Widget
from matplotlib.figure import Figure
from torch import Tensor, nn

from videoattn.data.clips.clips import Clips
from videoattn.data.clips.settings import frame_indices
from videoattn.engine.experiment import Job
from videoattn.engine.record import Record
from videoattn.evaluation.metrics import class_gains, classification_metrics
from videoattn.papers.istpa import salience
from videoattn.papers.istpa.attention import Scores
from videoattn.papers.istpa.network import PyramidNetwork, StreamNetwork
from videoattn.reporting.explorer import explorer
from videoattn.reporting.figures import clip_images
from videoattn.reporting.tables import NOT_RUN

BATCH = 32  # clips at a time
SHOWN = 5  # frames of figure 6, outputs of figure 7
EXPLORED = 24  # clips that the widget offers
LISTED = 5  # classes of table 7, and of table 8


class Look(NamedTuple):
    """What a pyramid attended to in clips: its scores, the grid of the top scale and the size of the frames; and what
    the network said, before softmax."""

    scores: Scores
    grid: tuple[int, int]
    size: tuple[int, int]
    logits: Tensor


def inspected(data, job: Job, network: nn.Module, scores: dict[str, Tensor], labels: Tensor) -> dict[str, dict]:
    """Rows about a trained pyramid on the test clips of the probe; none about a mean.

    "<job> on the object": the share of attention on the acting object; "mass" counts all frames, "chance" is what even
    attention has, "frames" is on frames that show the action.

    "<job> rescaled", where columns have unit length: the metrics with M made smaller by the root of (frames in
    testing / frames in training), by which it would be larger if frames repeated each other.
    """
    if not isinstance(network.network, PyramidNetwork):
        return {}
    test, clips = data.test(job), data.truth["clips"]
    frames = frame_indices(job.test, data.profile.probe.frames, test=True)[0]
    shrink = (job.train.frames / len(frames)) ** 0.5
    hook = network.network.attention.register_forward_hook(lambda *args: (shrink * args[-1][0], args[-1][1]))
    shares, rescaled = [], []
    for start in range(0, len(test), BATCH):
        numbers = range(start, min(start + BATCH, len(test)))
        look = attended(network, torch.stack([test[i][0]["rgb"][0] for i in numbers]))
        boxes = torch.stack([salience.boxes_of(clips[test.videos.samples[i].name], frames) for i in numbers])
        on = salience.on_object(look.scores.attention, boxes, grid=look.grid, size=look.size)
        acting = ~boxes[..., 0].isnan()
        shares.append(torch.stack([on.mass.sum(1), on.chance.sum(1), (on.frames * acting).sum(1)], 1))
        rescaled.append(look.logits)
    hook.remove()
    means = torch.cat(shares).mean(0).tolist()
    found = {f"{job.name} on the object": dict(zip(("mass", "chance", "frames"), means, strict=True))}
    if network.network.attention.norm == 2:
        found[f"{job.name} rescaled"] = classification_metrics(torch.cat(rescaled), labels)
    return found


@torch.no_grad()
def attended(network: StreamNetwork, clips: Tensor) -> Look:
    """What a network with a pyramid attends to in clips (B, 3, K, H, W)."""
    logits, top, scores = network.network.eval()(clips, return_attention=True)
    return Look(scores, tuple(top.shape[-2:]), tuple(clips.shape[-2:]), logits)


def guessing(record: Record) -> dict[str, float]:
    """Levels of guessing, in %: among all classes, and on the probe among the looks that a clip shows."""
    levels = {"guessing": 100 / len(record.data["classes"])}
    if "probe" in record.recipe:
        levels["guessing among those shown"] = 100 / (1 + record.recipe["probe"]["distractors"])
    return levels


def confusion_change(record: Record, row: str, baseline: str) -> Tensor | None:
    """What the confusion matrix of one row has more than that of another, all seeds together.

    (true classes, predicted classes), in clips; None where the record lacks a row.
    """
    found = [sum(torch.tensor(counts) for counts in record.values(name, "confusion")) for name in (row, baseline)]
    return found[0] - found[1] if all(isinstance(counts, Tensor) for counts in found) else None


def gains(record: Record, row: str, baseline: str) -> str:
    """Tables 7 and 8 as Markdown: the classes that gain most and least by `row` over `baseline`, all seeds together."""
    if confusion_change(record, row, baseline) is None:
        return NOT_RUN
    totals = [np.sum(record.values(name, "confusion"), axis=0) for name in (row, baseline)]
    names, found = record.data["classes"], class_gains(*totals)
    listed = found if len(found) <= 2 * LISTED else [*found[:LISTED], *found[-LISTED:]]
    lines = [(names[c], f"{100 * gain:+.1f}", names[wrong]) for c, gain, wrong in listed]
    head = ["class", "gain, points", f"{baseline} most often took it for"]
    return pd.DataFrame(lines, columns=head).to_markdown(index=False, disable_numparse=True)


def frames_figure(network: StreamNetwork, test: Clips, index: int, *, at: tuple[float, float] = (0.5, 0.5)) -> Figure:
    """Figure 6: what is salient in a test clip for one output, for each scale alone and for all of them.

    The frames are those that get most of its attention, in their order.

    Args:
        at: where the output is, as shares of the height and the width.
    """
    look = attended(network, test[index][0]["rgb"][:1])
    output = tuple(min(int(share * cells), cells - 1) for share, cells in zip(at, look.grid, strict=True))
    masks = {
        name: salience.over_frames(salience.salient(columns), output, grid=look.grid)[0]
        for name, columns in salience.columns(look.scores).items()
    }
    images = clip_images(test, index)
    column = look.scores.attention[0, :, output[0] * look.grid[1] + output[1]]
    most = column.reshape(len(images), -1).sum(1).topk(min(SHOWN, len(images))).indices
    shown = most.sort().values.tolist()
    return salience.salient_strips([images[t] for t in shown], {name: mask[shown] for name, mask in masks.items()})


def outputs_figure(network: StreamNetwork, test: Clips, index: int) -> Figure:
    """Figure 7: what is salient for some outputs in the frame that gets most attention."""
    look = attended(network, test[index][0]["rgb"][:1])
    images, places = clip_images(test, index), look.grid[0] * look.grid[1]
    frame = int(look.scores.attention[0].sum(1).reshape(len(images), places).sum(1).argmax())
    shown = np.linspace(0, places - 1, min(SHOWN, places)).round().astype(int)
    masks = {
        name: salience.over_outputs(salience.salient(columns), frame, grid=look.grid)[0][shown]
        for name, columns in salience.columns(look.scores).items()
    }
    return salience.salient_strips([images[frame]] * len(shown), masks)


def explore(networks: Mapping[str, StreamNetwork], test: Clips) -> Widget:
    """A widget: choose a clip, a network and an output; see what is salient for it."""
    names = [sample.name for sample in test.videos.samples[:EXPLORED]]

    def look(index: int, name: str, _frame: int, at: tuple[float, float]) -> Figure:
        return frames_figure(networks[name], test, index, at=at)

    return explorer(clips=names, blocks=list(networks), frames=1, look=look)
