"""What a user names by DATASET, DATA, SPLIT, ALLOW_MISSING and FLOW: the videos, and the profile as it is for them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from videoattn.data.listing import Lists, listed
from videoattn.training.parameters import PROBE, Parameters

Profile = TypeVar("Profile")


def user_lists(parameters: Parameters) -> Lists:
    """The training and the test videos; raises `InputError` where the data set is not as it should be."""
    return listed(parameters.dataset, parameters.data, split=parameters.split, allow_missing=parameters.allow_missing)


def user_profile(
    parameters: Parameters, profiles: Mapping[str, Profile], videos: Mapping[str, Mapping[str, Any]]
) -> Profile:
    """The profile that parameters without "auto" name, changed as `videos` says where the data are a user's own."""
    profile = profiles[parameters.profile]
    return profile if parameters.dataset == PROBE else replace(profile, **videos[parameters.profile])


def flow_profile(
    parameters: Parameters, profiles: Mapping[str, Profile], videos: Mapping[str, Mapping[str, Any]]
) -> Profile:
    """As `user_profile`, of a study that needs flow: with the algorithm that FLOW names, where it names one."""
    profile = user_profile(parameters, profiles, videos)
    return profile if parameters.flow == "auto" else replace(profile, flow=parameters.flow)
