"""What a row of a table says: metrics of one job's scores, or of several jobs' fused."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from videoattn.engine.experiment import Job, Row
from videoattn.engine.objective import ONE_CLASS, Objective
from videoattn.engine.study_data import StudyData
from videoattn.errors import InputError
from videoattn.evaluation.fusion import fuse, fused_by_search, sweep
from videoattn.evaluation.metrics import classification_metrics
from videoattn.evaluation.psychometric import by_level

SHARES = tuple(i / 20 for i in range(21))  # weights of the first of two fused streams


def row_metrics(
    row: Row, found: Mapping[str, Mapping[str, Tensor]], objective: Objective = ONE_CLASS
) -> dict[str, dict]:
    """Metrics of a row by its name, or by "<name> <head>" for each of several heads; of two streams with given weights
    and one label also the accuracy by share, and "weights" that were searched. Where the clips have levels, "levels"
    holds what `by_level` gives.

    Args:
        found: what `Study.scores` gives, by job.

    Raises:
        InputError: weights are to be searched for videos with several labels.
    """
    scores = {f"{name} {stream}": found[name][stream] for name, stream, _ in row.parts}
    (protocol,) = {stream.partition(" ")[2] for _, stream, _ in row.parts}
    first = found[row.parts[0][0]]
    labels = first[f"labels {protocol}".rstrip()]
    single = not (objective.heads or objective.multilabel)
    if row.searched:
        if not single:
            raise InputError(f"row {row.name}: weights are searched for one class a video, not several")
        held = {f"{name} {stream}": found[name][f"{stream} {row.searched}"] for name, stream, _ in row.parts}
        fused, weights = fused_by_search(scores, held, first[f"labels {row.searched}"])
        return {row.name: classification_metrics(fused, labels) | {"weights": weights}}
    fused = fuse(scores, {f"{name} {stream}": weight for name, stream, weight in row.parts})
    more = {"sweep": sweep(scores, labels, *scores, SHARES)} if single and len(scores) == 2 else {}
    levels = first.get(f"levels {protocol}".rstrip())
    if single and levels is not None:
        more["levels"] = by_level(fused, labels, levels)
    return {f"{row.name} {head}".rstrip(): m | more for head, m in objective.metrics(fused, labels).items()}


def by_distance(
    data: StudyData, job: Job, network: nn.Module, scores: Mapping[str, Tensor], labels: Tensor
) -> dict[str, dict]:
    """On the relation probe, metrics of a job's test scores for the pairs at each distance: rows "<job> at 3"."""
    clips = data.truth["clips"]
    distances = torch.tensor([clips[sample.name]["distance"] for sample in data.test(job).videos.samples])
    return {
        f"{job.name} at {d}": classification_metrics(scores["rgb"][distances == d], labels[distances == d])
        for d in distances.unique().tolist()
    }
