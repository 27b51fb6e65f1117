"""What holds of every study of every paper, in every profile."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from videoattn.data.clips.settings import ClipSettings
from videoattn.engine.experiment import Job, Profile, module_of, reads_flow, studies, with_needed
from videoattn.engine.protocol import FROM_SCRATCH
from videoattn.engine.recipe import Recipe, digest, values
from videoattn.engine.runtime import runtime_of
from videoattn.errors import InputError
from videoattn.papers import PAPERS
from videoattn.papers.cma.attention import CMABlock

STUDIES = [(paper, study) for paper in PAPERS for study in studies(paper)]
PROFILES = ("check", "quick", "full", "paper")
SMALL = PROFILES[:3]
each_study = pytest.mark.parametrize(("paper", "study"), STUDIES, ids=["-".join(filter(None, own)) for own in STUDIES])


def modules(paper: str) -> list:
    return [module_of(paper, study) for study in studies(paper)]


def profile_of(paper: str, study: str, name: str, *, on_videos: bool = False) -> Profile:
    experiments = module_of(paper, study)
    return replace(experiments.PROFILES[name], **(experiments.VIDEOS[name] if on_videos else {}))


def jobs_of(paper: str, study: str, profile: Profile) -> list[Job]:
    experiments = module_of(paper, study)
    return [experiments.job(name, profile, FROM_SCRATCH) for name in profile.jobs]


def clip(job: Job, settings: ClipSettings) -> dict[str, torch.Tensor]:
    """Two test clips of one view, as the job takes them, on the meta device; marks as the relation probe has them."""
    side = settings.short_side if settings.test_crops == 3 else settings.size
    shape = (settings.taken(test=True), side, side)
    found = {"places": torch.zeros(2, 2, 3, dtype=torch.long)}
    for stream in job.streams:
        channels = 3 if stream == "rgb" else 2 * settings.fields
        found["rgb" if stream == "rgb" else "flow"] = torch.empty(2, channels, *shape, device="meta")
    return found


@pytest.mark.parametrize("on_videos", [False, True], ids=["probe", "videos"])
@pytest.mark.parametrize("name", [name for name in PROFILES if name != "quick"])  # whose networks `full` has too
@each_study
def test_every_network_takes_the_clips_of_its_job(paper, study, name, on_videos, networks, monkeypatch):
    monkeypatch.setattr(CMABlock, "is_identity", lambda block: True)  # there are no numbers to look at
    profile = profile_of(paper, study, name, on_videos=on_videos)
    built = networks(paper, study, profile)
    for job in jobs_of(paper, study, profile):
        if job.recipe is None:
            assert job.name not in built
            continue
        network = built[job.name]
        assert any(weight.requires_grad for weight in network.parameters()), job.name
        for settings in (job.test, *(own.settings for own in job.extra_tests)):
            with torch.no_grad():
                scores = network.eval()(clip(job, settings))
            assert scores[job.stream].shape == (2, 3), (job.name, settings)


@pytest.mark.parametrize("on_videos", [False, True], ids=["probe", "videos"])
@pytest.mark.parametrize("name", PROFILES)
@each_study
def test_jobs_stand_behind_those_that_they_start_from(paper, study, name, on_videos):
    profile = profile_of(paper, study, name, on_videos=on_videos)
    assert with_needed(profile.jobs, profile, FROM_SCRATCH, module_of(paper, study)) == profile.jobs
    assert len(set(profile.jobs)) == len(profile.jobs)


@pytest.mark.parametrize("name", PROFILES)
@each_study
def test_rows_are_of_scores_that_jobs_give(paper, study, name):
    profile = profile_of(paper, study, name)
    experiments = module_of(paper, study)
    rows = experiments.rows(profile)
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        for job_name, stream, _ in row.parts:
            job = experiments.job(job_name, profile, FROM_SCRATCH)
            scores, _, test = stream.partition(" ")
            given = {job.stream} | ({"rgb", "flow"} if set(job.streams) == {"rgb", "flow"} else set())
            assert scores in given, row
            assert {test, row.searched} <= {"", *(own.name for own in job.extra_tests)}, row
        assert len(row.parts) > 1 or not row.searched
    shown = {part[0] for row in rows for part in row.parts}
    needed = {earlier for job in jobs_of(paper, study, profile) for earlier in job.after}
    assert set(profile.jobs) <= shown | needed


@each_study
def test_quick_is_a_share_of_full(paper, study):
    """So that the records of one can be held against those of the other."""
    quick, full = (profile_of(paper, study, name) for name in ("quick", "full"))
    assert set(quick.jobs) <= set(full.jobs)
    assert quick.seeds <= full.seeds
    assert set(full.central) <= set(full.jobs)
    assert replace(quick, jobs=full.jobs, seeds=full.seeds, central=full.central) == full


@each_study
def test_profiles_and_variants_differ(paper, study):
    experiments = module_of(paper, study)
    assert tuple(experiments.PROFILES) == tuple(experiments.VIDEOS) == PROFILES
    plans = [digest(profile) for profile in experiments.PROFILES.values()]
    assert len(set(plans)) == len(plans)
    for profile in experiments.PROFILES.values():
        own = {}
        for job in jobs_of(paper, study, profile):
            plan = digest([values(experiments.VARIANTS[job.name]), values(job.train), values(job.recipe)])
            assert own.setdefault(plan, job.name) == job.name, "two jobs would train the same network"


@each_study
def test_what_is_asked_for_is_part_of_the_folder(paper, study, study_of, tmp_path):
    first = study_of(paper, study)
    assert first.seeds == (0,)
    assert [job.name for job in first.jobs] == list(profile_of(paper, study, "check").jobs)
    assert first.folder.parent == tmp_path / "runs" / paper
    assert first.folder.name == "-".join(filter(None, (study, "check", "probe", first.digest)))
    others = [study_of(paper, study, **own) for own in ({"PROFILE": "full"}, {"SEEDS": 2}, {"STEPS": 1})]
    if hasattr(first.profile, "flow"):
        others.append(study_of(paper, study, FLOW="tvl1"))
        assert study_of(paper, study, FLOW="dis").folder == first.folder  # what the profile says anyway
    assert len({own.folder for own in (first, *others)}) == 1 + len(others)
    assert study_of(paper, study, PARALLEL=3, WORKERS=1, TEST_BATCH=5).folder == first.folder
    assert not any(tmp_path.iterdir())  # nothing is generated or trained yet


@each_study
@pytest.mark.parametrize("name", PROFILES)
def test_a_users_videos_are_trained_on_one_at_a_time(paper, study, name, study_of, videos):
    one = study_of(paper, study, PROFILE=name, PRETRAINED="false", **videos)
    if study and not module_of(paper, study).DATA_SETS:  # it is about a probe
        assert one is None
        return
    assert runtime_of(one.parameters, "cuda").parallel == runtime_of(one.parameters, "cpu").parallel == 1
    assert one.profile.jobs
    assert {part[0] for row in one.rows for part in row.parts} == set(one.profile.jobs)


@each_study
def test_the_readme_shows_rows_that_full_gives(paper, study):
    """Or what is measured of them, which has a row's name in front."""
    profile = profile_of(paper, study, "full")
    given = tuple(row.name for row in module_of(paper, study).rows(profile))
    assert all(row.startswith(given) for _, row in module_of(paper, study).HEADLINE)


@pytest.mark.parametrize("paper", [paper for paper in PAPERS if not any(map(reads_flow, modules(paper)))])
def test_flow_is_refused_where_none_is_read(paper, study_of):
    with pytest.raises(InputError, match=r"FLOW is 'tvl1'.*RGB alone"):
        study_of(paper, FLOW="tvl1")


def tiny(profile: Profile, clips: int = 24) -> Profile:
    """The profile with one seed and a probe of a few clips, further ones of as many."""
    further = {"further": 8} if hasattr(profile, "further") else {}
    return replace(profile, seeds=1, probe=replace(profile.probe, train=clips, test=clips), **further)


def check_dry_run(study) -> None:
    record = study.run()
    assert record.complete
    assert {result["job"] for result in record.results} == {job.name for job in study.jobs}
    metrics = {name: found for result in record.results for name, found in result["metrics"].items()}
    assert {row.name for row in study.rows} <= set(metrics)
    for row in study.rows:
        assert np.sum(metrics[row.name]["confusion"]) == 2, row.name
    for job in study.jobs:
        tests = ("", *(f" {own.name}" for own in job.extra_tests))
        scores = study.scores(job.name, 0)
        assert {f"labels{test}" for test in tests} <= set(scores)
        assert {len(found) for found in scores.values()} == {2}, job.name


@pytest.mark.parametrize("name", SMALL)
@each_study
def test_a_dry_run_passes(paper, study, name, study_of, monkeypatch):
    experiments = module_of(paper, study)
    monkeypatch.setitem(experiments.PROFILES, name, tiny(experiments.PROFILES[name]))
    check_dry_run(study_of(paper, study, PROFILE=name, STEPS=2, PARALLEL=1))


# Of each paper a network of full size that is light, and what makes its test short.
LIGHT = {
    "rcca": ("tsm-none", {}),
    "aia": ("tsn-none", {"views": ()}),
    "banet": ("lite-both-4f", {}),
    "cma": ("flow", {"flow": "dis", "snippets": {"test_frames": 2, "test_crops": 1}}),
    "istpa": ("bn-both", {"test_frames": 2, "tested": (1,)}),
}


def recipes_of(profile: Profile) -> list[tuple[str, Recipe]]:
    return [(name, value) for name, value in vars(profile).items() if isinstance(value, Recipe)]


@pytest.mark.parametrize("paper", LIGHT)
def test_a_dry_run_of_a_network_of_full_size_passes(paper, study_of, monkeypatch):
    profiles, (job, changes) = module_of(paper).PROFILES, LIGHT[paper]
    own = tiny(profiles["paper"], 12)
    own = replace(own, **{name: replace(recipe, batch_size=2, accumulation=1) for name, recipe in recipes_of(own)})
    for name, change in changes.items():
        own = replace(own, **{name: replace(getattr(own, name), **change) if isinstance(change, dict) else change})
    monkeypatch.setitem(profiles, "paper", own)
    check_dry_run(study_of(paper, PROFILE="paper", JOBS=job, STEPS=2, PRETRAINED="false"))
