"""One job of a study: trained, tested, and its scores kept."""

import time
from typing import TYPE_CHECKING

from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import Subset

from videoattn.engine.jobs import Job
from videoattn.engine.loop import fit
from videoattn.evaluation.views import predict
from videoattn.progress import Progress
from videoattn.reporting.record import environment

if TYPE_CHECKING:
    from videoattn.engine.study import Study


def run_job(study: "Study", job: Job, seed: int) -> dict:
    """Train and test a job; its checkpoint and scores are then in the study's folder, the rest is returned."""
    begun = time.perf_counter()
    if job.recipe:
        accelerator = Accelerator(
            mixed_precision=job.recipe.precision, gradient_accumulation_steps=job.recipe.accumulation
        )
        network, initial = study.fresh(job, seed)
        log = _trained(study, job, seed, network, accelerator)
        scores, further = _tested(study, job, seed, network, accelerator)
        device = accelerator.device
        accelerator.free_memory()
    else:
        log, further, device, initial = [], {}, "cpu", ""
        scores = {key: values[: tested_videos(study, len(values))] for key, values in study.scored(job, seed).items()}
    study.files.keep_scores(job.name, seed, scores)
    result = {
        "metrics": further,
        "job": job.name,
        "seed": seed,
        "wall_s": time.perf_counter() - begun,
        "log": log,
        "environment": environment(device),
    }
    return result | ({"initial": initial} if initial else {})


def _trained(
    study: "Study", job: Job, seed: int, network: nn.Module, accelerator: Accelerator
) -> list[dict[str, float]]:
    return fit(
        network,
        study.data.train(job, seed),
        job.recipe,
        stream=job.stream,
        seed=study.seed_of(job, seed),
        path=study.files.weights_path(job.name, seed),
        identity=f"{study.digest} {job.name} {seed}",
        accelerator=accelerator,
        progress=Progress(f"{job.name} seed {seed}", job.recipe.epochs, quiet=True),
        workers=study.workers,
        objective=study.objective,
    )


def _tested(
    study: "Study", job: Job, seed: int, network: nn.Module, accelerator: Accelerator
) -> tuple[dict[str, Tensor], dict]:
    """The scores of a trained network and the labels, of each set of test videos, and what `inspect` says of it."""
    scores, labels = {}, {}
    tests = {"": study.data.test(job)} | (study.further(job) if study.further else {})
    for protocol, test in tests.items():
        videos = Subset(test, range(tested_videos(study, len(test))))
        found, labels[f"labels {protocol}".rstrip()] = predict(
            network,
            videos,
            accelerator=accelerator,
            batch_size=study.test_batch,
            progress=Progress(f"{job.name} seed {seed}, testing", len(videos), what="video", quiet=True),
            workers=study.workers,
        )
        scores |= {f"{stream} {protocol}".rstrip(): score for stream, score in found.items()}
    further = study.inspect(job, network.cpu(), scores, labels["labels"]) if study.inspect else {}
    return scores | labels, further


def tested_videos(study: "Study", videos: int) -> int:
    """How many of so many test videos are taken: in a rehearsal as many as steps."""
    return min(videos, study.parameters.steps or videos)
