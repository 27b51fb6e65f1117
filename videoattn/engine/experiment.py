"""What a paper compares, as data: trainings, rows of tables, and how much of them is run.

A study lies in `videoattn.papers.<paper>.experiments`, a further one of the same paper in
`videoattn.papers.<paper>.<study>.experiments`. Such a module holds

    VARIANTS    what its trainings are of, by name: dataclasses that the networks are built from
    PROFILES    how much: "check", "quick", "full" and "paper", each a `Profile`
    VIDEOS      what changes on a user's videos, by profile (IMAGES: on a data set of images)
    PROTOCOLS   the paper's own training and testing on real data sets, `videoattn.engine.protocol`
    job         (name, profile, start) -> Job
    build       (variant, profile, *, classes, start, weights) -> network
    rows        (profile) -> the rows of the results

    HEADLINE    of these, what the README shows: (label, row)

and, where it has any of these, `scores` for jobs that train no network, `inspect` for what is measured of trained
networks on the probe, `inputs` for what the probe's clips get besides frames, `hosted`, (profile, name) -> profile
with timm's network of that name as host of the paper's blocks and with those of its jobs that can have it, and, in a
study that is not the paper's first, DATA_SETS, on which it runs.
"""

import dataclasses
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from torch import Tensor

from videoattn.backbones.hosts import facts
from videoattn.data.clips.settings import ClipSettings
from videoattn.data.datasets import cifar100
from videoattn.data.flow.cache import FlowSettings
from videoattn.data.probes.settings import ProbeSettings
from videoattn.engine.parameters import PROBE, Parameters
from videoattn.engine.protocol import SCRATCHED, Start, protocol_of, start_of
from videoattn.engine.recipe import Recipe, dry_run
from videoattn.errors import InputError, unknown

PAPERS_PACKAGE = "videoattn.papers"
TUNING = 100  # seeds from here on are for tuning: their probe is drawn with another seed than the one that is reported


@dataclass(frozen=True)
class Row:
    """One row of a table: scores of (job, stream), several of them fused with weights.

    searched: name of further test videos, of none that a network was trained on, on which the weights are searched;
    those of `parts` are not used then.
    """

    name: str
    parts: tuple[tuple[str, str, float], ...]
    searched: str = ""


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """Further clips on which a trained network is tested.

    name: of the test; the scores of a stream "rgb" are kept as "rgb <name>". subset: "test" or "held_out".
    probe: another probe than that of the job.
    """

    __test__ = False  # pytest looks for test classes by their names

    name: str
    settings: ClipSettings
    subset: str = "test"
    probe: ProbeSettings | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training, or scores that are had without one.

    Args:
        recipe: None where no network is trained. stream: which of the network's scores is trained.
        streams: that the network reads, of "rgb", "flow" and "warped".
        train, test: what is taken from a video. extra_tests: further tests of the same network.
        probe: generated clips, unless the user names a data set. flow: that is computed of them, None for none.
        held_out: share of the training videos that no network is trained on.
        after: jobs whose weights it starts from. initial: the job of the run INIT that it starts from; "" for none.
        part: of the network, by its path, that the weights of INIT go into; "" is the whole.
    """

    name: str
    recipe: Recipe | None
    stream: str = "rgb"
    streams: tuple[str, ...] = ("rgb",)
    train: ClipSettings
    test: ClipSettings
    extra_tests: tuple[TestSet, ...] = ()
    probe: ProbeSettings
    flow: FlowSettings | None = None
    held_out: float = 0.0
    after: tuple[str, ...] = ()
    initial: str = ""
    part: str = ""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How much of a study is run; a paper's own adds what its networks take and how they are trained.

    Args:
        jobs: names of variants. seeds: of each. central: jobs of which, with all that they start from, twice as many
            seeds are run on the probe, unless SEEDS says how many.
        probe: the generated clips. max_unreadable: share of unreadable videos at which a run stops.
    """

    jobs: tuple[str, ...]
    seeds: int
    probe: ProbeSettings
    central: tuple[str, ...] = ()
    max_unreadable: float = 0.05


Weights = Callable[[str], Mapping[str, Tensor]]  # from the name of an earlier job to the state of its network


def no_weights(name: str) -> Mapping[str, Tensor]:
    """For networks that start from no other job; raises LookupError."""
    raise LookupError(f"the weights of {name} are asked for, and none are there")


def module_of(paper: str, study: str = "") -> ModuleType:
    """The module `experiments` of a paper's study; "" is its first."""
    return importlib.import_module(".".join(filter(None, (PAPERS_PACKAGE, paper, study, "experiments"))))


def studies(paper: str) -> tuple[str, ...]:
    """The names of a paper's studies: "" is the first, the others are folders of the paper's."""
    folder = Path(importlib.import_module(f"{PAPERS_PACKAGE}.{paper}").__file__).parent
    return ("", *sorted(path.parent.name for path in folder.glob("*/experiments.py")))


def reads_flow(experiments: ModuleType) -> bool:
    """Whether the networks of a study read flow: its profiles then name an algorithm."""
    return hasattr(experiments.PROFILES["paper"], "flow")


def sized(parameters: Parameters, study: str = "") -> tuple[Profile, Start] | None:
    """The profile that these parameters ask for, with the jobs that are run, and what the networks start from.

    None where the parameters leave a study out that is not the paper's first: it reads flow and there is to be none, or
    the paper has no flow on this data set; JOBS names none of its jobs; INIT is no run of it.

    Args:
        parameters: with the profile "auto" replaced.

    Raises:
        InputError: JOBS names no job, or none of a paper's first study; INIT or FLOW is not for this paper.
    """
    paper, experiments = parameters.paper, module_of(parameters.paper, study)
    flow = reads_flow(experiments)
    if study:
        data_sets = (PROBE, *experiments.DATA_SETS)
        if parameters.dataset not in data_sets or (flow and parameters.flow == "none"):
            return None
    else:
        _check_flow(parameters, flow)
    start = start_of(parameters, experiments.PROTOCOLS, study)
    if start is None:
        return None
    profile = experiments.PROFILES[parameters.profile]
    if parameters.dataset != PROBE:
        profile = _on_videos(parameters, profile, start, experiments)
    if flow and parameters.flow != "auto":
        profile = replace(profile, flow=parameters.flow)
    if parameters.backbone and not hasattr(experiments, "hosted"):
        if study:
            return None
        raise InputError(f"BACKBONE is {parameters.backbone!r}, but {paper} has networks of its own: leave it empty")
    names = [name for name in parameters.jobs if name in experiments.VARIANTS]
    others = [name for other in studies(paper) if other != study for name in module_of(paper, other).VARIANTS]
    for name in parameters.jobs:
        if name not in (*names, *others):
            raise unknown("name in JOBS", name, (*experiments.VARIANTS, *others))
    if parameters.jobs and not names:
        if study:
            return None
        raise InputError(f"JOBS is {','.join(parameters.jobs)!r}: name one of the first study too: {profile.jobs}")
    if parameters.backbone:
        profile = _on_host(parameters, replace(profile, jobs=tuple(names or profile.jobs)), experiments)
    recipes = {
        field.name: dry_run(getattr(profile, field.name), parameters.steps)
        for field in dataclasses.fields(profile)
        if isinstance(getattr(profile, field.name), Recipe)
    }
    profile = replace(profile, **recipes)
    if parameters.first_seed >= TUNING:
        profile = replace(profile, probe=replace(profile.probe, seed=profile.probe.seed + TUNING))
    return replace(profile, jobs=with_needed(names or profile.jobs, profile, start, experiments)), start


def with_needed(names: Iterable[str], profile: Profile, start: Start, experiments: ModuleType) -> tuple[str, ...]:
    """The jobs of these names and all that they start from, each behind what it needs, else in the order given."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for earlier in experiments.job(name, profile, start).after:
            if earlier not in found:
                add(earlier)
        found[name] = None

    for name in names:
        add(name)
    return tuple(found)


def _on_videos(parameters: Parameters, profile: Profile, start: Start, experiments: ModuleType) -> Profile:
    """The profile for a data set that the user has."""
    images = parameters.dataset == cifar100.NAME
    changes = (experiments.IMAGES if images else experiments.VIDEOS)[parameters.profile]
    own = protocol_of(parameters, start, experiments.PROTOCOLS) if parameters.profile == "paper" else None
    if own is None:
        return replace(profile, **changes)
    profile = replace(profile, **own.changes)
    if own.start not in (start.name, *SCRATCHED):  # its jobs fine-tune networks that are not there
        profile = replace(profile, jobs=changes.get("jobs", experiments.PROFILES["paper"].jobs))
    return profile


def _on_host(parameters: Parameters, profile: Profile, experiments: ModuleType) -> Profile:
    """The profile with BACKBONE as host and the jobs that can have it; raises InputError where it cannot be."""
    name = parameters.backbone
    try:
        facts(name)
        found = experiments.hosted(profile, name)
    except InputError as error:
        raise InputError(f"BACKBONE is {name!r}: {error}") from error
    without = [job for job in profile.jobs if job not in found.jobs]
    if not found.jobs or (parameters.jobs and without):
        possible = experiments.hosted(replace(profile, jobs=tuple(experiments.VARIANTS)), name).jobs
        raise InputError(
            f"BACKBONE is {name!r}, with which {', '.join(without)} cannot be run: name some in JOBS of "
            f"{', '.join(possible) or 'none'}"
        )
    return found


def _check_flow(parameters: Parameters, reads: bool) -> None:
    """Raise `InputError` where FLOW is not for the paper."""
    if reads and parameters.flow == "none":
        raise InputError(f"FLOW is 'none', but {parameters.paper} needs flow; choose from auto, tvl1, dis")
    somewhere = any(reads_flow(module_of(parameters.paper, name)) for name in studies(parameters.paper))
    if not somewhere and parameters.flow not in ("auto", "none"):
        raise InputError(
            f"FLOW is {parameters.flow!r}, but {parameters.paper} looks at RGB alone: leave it at 'auto' or 'none'"
        )


def flow_settings(parameters: Parameters) -> tuple[FlowSettings, ...]:
    """All flow that the jobs of a paper's studies read; InputError where they read none.

    Args:
        parameters: with the profile "auto" replaced.
    """
    found: dict[FlowSettings, None] = {}
    for study in studies(parameters.paper):
        profile_and_start = sized(parameters, study)
        for name in profile_and_start[0].jobs if profile_and_start else ():
            job = module_of(parameters.paper, study).job(name, *profile_and_start)
            if job.flow and "flow" in job.streams:
                found[job.flow] = None
            if job.flow and "warped" in job.streams:
                found[replace(job.flow, warped=True)] = None
    if not found:
        raise InputError(
            f"the studies of {parameters.paper} look at RGB alone on {parameters.dataset}: they need no flow"
        )
    return tuple(found)
