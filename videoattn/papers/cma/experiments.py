"""What is trained and compared for cross-modality attention: jobs, networks, rows."""

from torch import Tensor, nn

from videoattn.data.flow.cache import FlowSettings
from videoattn.engine.experiment import Job, Row
from videoattn.engine.protocol import Start
from videoattn.engine.study_data import StudyData
from videoattn.papers.cma import comparison, inspection
from videoattn.papers.cma.build import build, warm_job
from videoattn.papers.cma.protocols import PROTOCOLS
from videoattn.papers.cma.recipe import PROFILES, VARIANTS, VIDEOS, Profile

__all__ = ["HEADLINE", "PROFILES", "PROTOCOLS", "VARIANTS", "VIDEOS", "build", "inspect", "job", "rows"]

HEADLINE = comparison.HEADLINE


def job(name: str, profile: Profile, start: Start) -> Job:
    """How a variant is trained and tested; transfers on a second probe."""
    variant = VARIANTS[name]
    clips = profile.dense if variant.kind.startswith("p3d") else profile.snippets
    if variant.transfer:
        recipe = profile.transfer
    elif variant.kind.endswith("single") and not variant.non_local:
        recipe = {"rgb": profile.rgb_recipe, "flow": profile.flow_recipe}[variant.stream]
    else:
        recipe = profile.recipe
    warm = warm_job(variant, profile, start)
    # A transfer from a run starts from that run's networks.
    after = () if start.path and variant.transfer else (*variant.after, *([warm] if warm else ()))
    return Job(
        name=name,
        recipe=recipe,
        stream=variant.stream,
        streams=(variant.stream,) if variant.kind.endswith("single") else ("rgb", "flow"),
        train=clips,
        test=clips,
        probe=profile.probe.second() if variant.transfer else profile.probe,
        flow=FlowSettings(algorithm=profile.flow, short_side=clips.short_side, aspect=clips.aspect),
        after=after,
        initial="" if variant.after else name,
    )


def rows(profile: Profile) -> tuple[Row, ...]:
    """The rows of the results."""
    return comparison.ROWS


def inspect(
    data: StudyData, job: Job, network: nn.Module, scores: dict[str, Tensor], labels: Tensor
) -> dict[str, dict]:
    """Rows about the first iteration: is it the place of the motion that counts, and does attention go there?"""
    if job.name != "cma-1":
        return {}
    test = data.test(job)
    return {
        "cma-1-R-moved-flow": inspection.with_moved_flow(network, test),
        "attention": inspection.on_the_mover(network, test, network.positions[-1]),
    }
