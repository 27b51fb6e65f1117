"""What a run starts from, and the profile that data set, JOBS and STEPS make."""

import hashlib
from dataclasses import dataclass, replace

import pytest
from videoattn.engine.profiles import sized
from videoattn.engine.run_files import initial_file

from videoattn.engine.parameters import check
from videoattn.engine.protocol import IMAGENET, SCRATCH, Protocol, Start, protocol_of, start_of, started_from
from videoattn.engine.recipe import Recipe, digest, values
from videoattn.engine.record import Record
from videoattn.errors import InputError

SETS = ("folder", "ucf101", "kinetics400", "charades")
SMALL = Protocol(data_set="ucf101", start=IMAGENET, where="section 1", changes={"size": 7})
TUNED = replace(SMALL, start="kinetics400", where="section 2", changes={"jobs": ("b",)})
CHAIN = Protocol(data_set="charades", start="kinetics400", where="section 3")
PROTOCOLS = (SMALL, TUNED, CHAIN)


RECIPE = Recipe(epochs=9, batch_size=4, lr=0.1, schedule="steps 3 6")


@dataclass(frozen=True)
class Profile:
    jobs: tuple[str, ...] = ("a", "b", "c")
    size: int = 1
    recipe: Recipe = RECIPE


PROFILES = dict.fromkeys(("check", "cpu", "gpu"), Profile()) | {"paper": Profile(size=5)}
VIDEOS = {name: {"size": 3} for name in PROFILES}


def parameters(root, **values):
    return check("demo", {"DATA": str(root), "DATASET": "ucf101", "PROFILE": "paper"} | values, SETS)


def run(root, name="run", **changes):
    record = Record("demo", "paper", "0123456789", {"DATASET": "kinetics400"}, {}, {}, complete=True)
    replace(record, **changes).save(root / name)
    return root / name


def test_what_networks_start_from(tmp_path):
    def start(**given):
        return start_of(parameters(tmp_path, **given), PROTOCOLS)

    assert start() == Start(IMAGENET)
    assert start(PROFILE="cpu") == Start(SCRATCH)
    assert start(PROFILE="cpu", PRETRAINED="true") == Start(IMAGENET)
    assert start(PRETRAINED=False) == Start(SCRATCH)
    assert start(DATASET="folder") == Start(SCRATCH)  # no protocol
    assert start(INIT=str(run(tmp_path))) == Start("kinetics400", tmp_path / "run", "0123456789")
    (tmp_path / "net.pt").write_bytes(b"weights")
    found = start(INIT=str(tmp_path / "net.pt"))
    assert found == Start("file", tmp_path / "net.pt", hashlib.sha256(b"weights").hexdigest()[:10])
    (tmp_path / "net.pt").write_bytes(b"others")
    assert start(INIT=str(tmp_path / "net.pt")).plan() != found.plan()  # another run
    assert start(INIT=str(run(tmp_path, "probe", parameters={}))).name == "probe"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"DATASET": "charades"}, "were trained on kinetics400 .section 3.: give INIT=<folder of that run>"),
        ({"INIT": "."}, "the folder of a run or a checkpoint file is expected; .*holds no record.json"),
        ({"INIT": "other"}, "a run of cma; one of demo is expected"),
        ({"INIT": "part"}, "a run of demo/streams; one of demo is expected"),
        ({"INIT": "half"}, "half': that run is not complete"),
        ({"INIT": "run", "PRETRAINED": "true"}, "networks start from one of them"),
        ({"INIT": "nowhere"}, "nowhere does not exist"),
    ],
)
def test_starts_that_are_refused(tmp_path, monkeypatch, given, says):
    monkeypatch.chdir(tmp_path)
    run(tmp_path)
    run(tmp_path, "other", paper="cma")
    run(tmp_path, "part", part="streams")
    run(tmp_path, "half", complete=False)
    with pytest.raises(InputError, match=says):
        start_of(parameters(tmp_path, **given), PROTOCOLS)


def test_the_protocol_is_that_of_the_start(tmp_path):
    own = parameters(tmp_path)
    assert protocol_of(own, Start(IMAGENET), PROTOCOLS) is SMALL
    assert protocol_of(own, Start("kinetics400"), PROTOCOLS) is TUNED
    assert protocol_of(own, Start("file"), PROTOCOLS) is SMALL
    assert protocol_of(parameters(tmp_path, DATASET="folder"), Start(SCRATCH), PROTOCOLS) is None


def test_plans_say_what_was_started_from(tmp_path):
    for start in (Start(SCRATCH), Start(IMAGENET), Start("kinetics400", tmp_path, "0123")):
        assert started_from(start.plan()) == start.name
    assert Start(SCRATCH).plan() == {"pretrained": False}  # as in records from before there was INIT


def test_profiles_of_data_sets(tmp_path):
    def profile(**given):
        return sized(parameters(tmp_path, **given), PROFILES, VIDEOS, PROTOCOLS)[1]

    assert profile() == Profile(size=7)
    assert profile(PROFILE="cpu") == Profile(size=3)
    assert profile(INIT=str(run(tmp_path))) == Profile(size=5, jobs=("b",))
    assert profile(DATASET="folder") == Profile(size=3)
    assert sized(check("demo", {}, SETS), PROFILES, VIDEOS, PROTOCOLS)[1] == Profile()


def test_jobs_bring_what_they_need():
    def jobs(names, part=""):
        given = check("demo", {"JOBS": names}, SETS)
        needs = {"a": (), "b": ("a",), "c": ("b",), "d": ()}
        return sized(given, PROFILES, VIDEOS, (), needs=needs.__getitem__, elsewhere=("x",), part=part)[1].jobs

    assert jobs("a") == ("a",)
    assert jobs("c, a") == ("a", "b", "c")
    assert jobs("x", part="streams") == ()
    with pytest.raises(InputError, match=r"JOBS is 'x': name one of the first study too: .*'a', 'b', 'c'"):
        jobs("x")
    assert jobs("x,b") == ("a", "b")
    with pytest.raises(InputError, match="unknown name in JOBS 'q'; choose from a, b, c, x"):
        jobs("a,q")
    with pytest.raises(InputError, match="JOBS is 'a': they need 'z', which this profile has not"):
        sized(check("demo", {"JOBS": "a"}, SETS), PROFILES, VIDEOS, (), needs=lambda name: ("z",))


def test_a_rehearsal_cuts_every_training(tmp_path):
    _, profile, _ = sized(parameters(tmp_path, STEPS=2), PROFILES, VIDEOS, PROTOCOLS)
    assert (profile.recipe.epochs, profile.recipe.rehearsal, profile.recipe.lr) == (1, 2, 0.1)
    assert digest(profile) != digest(Profile(size=7))


def test_later_fields_leave_digests_alone():
    recipe = Recipe(epochs=9, batch_size=4, lr=0.1)
    assert "rehearsal" not in values(recipe)
    assert values(replace(recipe, rehearsal=3))["rehearsal"] == 3


def test_the_network_of_a_run_is_that_of_the_seed_or_the_first(tmp_path):
    for name in ("a-seed0.pt", "a-seed2.pt", "b-seed0.pt"):
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        (tmp_path / "checkpoints" / name).touch()
    assert initial_file(tmp_path, "a", 2).name == "a-seed2.pt"
    assert initial_file(tmp_path, "a", 1).name == "a-seed0.pt"
    assert initial_file(tmp_path / "checkpoints" / "b-seed0.pt", "a", 1).name == "b-seed0.pt"
    with pytest.raises(InputError, match="holds no network 'c'; it holds a, b"):
        initial_file(tmp_path, "c", 0)
