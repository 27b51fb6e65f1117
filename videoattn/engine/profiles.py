"""From the notebook's parameters to a profile: its size, changed as the data, the jobs and the steps ask for."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from videoattn.engine.parameters import PROBE, Parameters
from videoattn.engine.protocol import Protocol, Start, protocol_of, start_of
from videoattn.engine.recipe import Recipe, rehearsed
from videoattn.errors import InputError, unknown

Profile = TypeVar("Profile")


def sized(
    parameters: Parameters,
    profiles: Mapping[str, Profile],
    videos: Mapping[str, Mapping[str, Any]],
    protocols: Sequence[Protocol],
    *,
    needs: Callable[[str], Sequence[str]] = lambda name: (),
    elsewhere: Collection[str] = (),
    part: str = "",
) -> tuple[Parameters, Profile, Start]:
    """The parameters without "auto", their profile, and what the networks start from.

    Args:
        profiles: by name, dataclasses with the field `jobs`. videos: by profile, what changes on a user's own videos.
        protocols: of the paper, whose changes take their place in the profile `paper`.
        needs: the jobs that a job starts from; they are run with it.
        elsewhere: jobs of the paper's other studies, which JOBS may name. part: of the paper that this study is.

    Raises:
        InputError: JOBS names a job that the profile has not, or none of a paper's first study; or as `start_of`.
    """
    parameters = parameters.resolved()
    profile = profiles[parameters.profile]
    start = start_of(parameters, protocols, part)
    if parameters.dataset != PROBE:
        own = protocol_of(parameters, start, protocols) if parameters.profile == "paper" else None
        profile = replace(profile, **(own.changes if own else videos[parameters.profile]))
    if parameters.jobs:
        jobs = _with_needed(parameters.jobs, profile.jobs, needs, elsewhere)
        if not jobs and not part:
            raise InputError(f"JOBS is {','.join(parameters.jobs)!r}: name one of the first study too: {profile.jobs}")
        profile = replace(profile, jobs=jobs)
    recipes = {
        f.name: rehearsed(getattr(profile, f.name), parameters.steps)
        for f in dataclasses.fields(profile)
        if isinstance(getattr(profile, f.name), Recipe)
    }
    return parameters, replace(profile, **recipes), start


def _with_needed(
    asked: Sequence[str], there: Sequence[str], needs: Callable[[str], Sequence[str]], elsewhere: Collection[str]
) -> tuple[str, ...]:
    """The jobs that are asked for and all that they need, in the profile's order."""
    wrong = [name for name in asked if name not in there and name not in elsewhere]
    if wrong:
        raise unknown("name in JOBS", wrong[0], (*there, *elsewhere))
    waiting, found = [name for name in asked if name in there], set()
    while waiting:
        name = waiting.pop()
        if name not in there:
            raise InputError(f"JOBS is {','.join(asked)!r}: they need {name!r}, which this profile has not")
        if name not in found:
            found.add(name)
            waiting += needs(name)
    return tuple(name for name in there if name in found)
