"""What each stream sees of a clip, and what the networks of the streams know of it."""

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from videoattn.data.decode.decoder import Decoder, short_side
from videoattn.data.tracks.features import video_tracks
from videoattn.data.tracks.tracks import Tracks
from videoattn.engine.record import Record
from videoattn.engine.study import Study
from videoattn.reporting.figures import film_strips, flow_image
from videoattn.reporting.tables import NOT_RUN, accuracy, ranged

SHOWN = 6  # frames of a clip
SIDE = 256  # pixels at least of the frames on which tracks are drawn
LINE, TIP = (255, 210, 0), (255, 60, 0)


def views_figure(study: Study, index: int) -> Figure:
    """A test video as frames, flow, flow without the camera's motion, both on one scale, and its trajectories."""
    data, clips = study.main, study.profile.snippets
    source = data.lists[1].samples[index].source
    caches = [data.flow_cache(stream, clips) for stream in ("flow", "warped")]
    shown = np.linspace(0, caches[0].count(source) - 1, SHOWN).round().astype(int)
    decoder = Decoder()
    info = decoder.info(source)
    size = short_side(info.height, info.width, caches[0].settings.short_side)
    frames = list(decoder.frames(source, shown, size=size))
    tracks = video_tracks(decoder, source, study.profile.idt)
    decoder.close()
    tracked = short_side(info.height, info.width, study.profile.idt.short_side or min(info.height, info.width))
    scale = size[0] / tracked[0]
    fields = [torch.from_numpy(cache.fields(source, shown)) for cache in caches]
    bound = max(float(fields[0].abs().amax()), 1e-3)
    rows = [("RGB", frames)]
    for name, found in zip(("flow", "warped flow"), fields, strict=True):
        rows.append((name, [flow_image(field, bound) for field in found]))
    drawn = [with_tracks(frame, tracks, int(t), scale=scale) for t, frame in zip(shown, frames, strict=True)]
    return film_strips([*rows, ("trajectories", drawn)])


def with_tracks(frame: np.ndarray, tracks: Tracks, t: int, *, scale: float = 1.0) -> np.ndarray:
    """A frame, enlarged where it is small, with the tracks that pass through it, each up to where it is then.

    Args:
        frame: uint8 (H, W, 3). t: its number. scale: pixels of the frame for one of the tracks' points.
    """
    factor = max(1, -(-SIDE // min(frame.shape[:2])))
    image = cv2.resize(frame, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    length = tracks.points.shape[1]
    for points, start in zip(tracks.points, tracks.start, strict=True):
        if not start <= t < start + length:
            continue
        line = np.rint((points[: t - start + 1] * scale + 0.5) * factor).astype(np.int32)
        cv2.polylines(image, [line[:, None]], False, LINE, 2, cv2.LINE_AA)
        cv2.circle(image, [int(v) for v in line[-1]], 3, TIP, -1, cv2.LINE_AA)
    return image


def known(record: Record, rows: Sequence[str]) -> str:
    """For each row the accuracy of the class and, on the probe, of its look and of its motion alone, as Markdown."""
    lines = [
        (row, accuracy(record, row), *(part_accuracy(record, row, part) for part in (0, 1)), weights(record, row))
        for row in rows
        if record.values(row)
    ]
    head = ["streams", "top-1 %", "look %", "motion %", "searched weights, mean over seeds"]
    return pd.DataFrame(lines, columns=head).to_markdown(index=False, disable_numparse=True)


def part_accuracy(record: Record, row: str, part: int) -> str:
    """How often the look (part 0) or the motion (part 1) of the predicted class is right."""
    names = record.data["classes"]
    if not record.values(row) or not all(name.count("-") == 1 for name in names):
        return NOT_RUN
    values = np.array([name.split("-")[part] for name in names])
    same = values[:, None] == values
    shares = []
    for counts in record.values(row, "confusion"):
        confusion = np.asarray(counts)
        shares.append(float(confusion[same].sum() / confusion.sum()))
    return ranged(shares)


def weights(record: Record, row: str) -> str:
    """The searched weights of a late fusion, mean over seeds; nothing for other rows."""
    found = [result["metrics"][row].get("weights") for result in record.results if row in result["metrics"]]
    if not all(found):
        return ""
    return ", ".join(f"{np.mean([own[name] for own in found]):.2f}" for name in found[0])
