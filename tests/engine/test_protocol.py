"""What a run starts from, and which protocol that is."""

import hashlib
from dataclasses import replace

import demo as paper
import pytest
from demo import PROTOCOLS, SMALL, TUNED

from videoattn.engine.parameters import check
from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, SCRATCH, Start, protocol_of, start_of, started_from
from videoattn.engine.record import Record
from videoattn.engine.run_folder import initial_file
from videoattn.errors import InputError


def parameters(root, **values):
    return check("demo", {"DATA": str(root), "DATASET": "ucf101", "PROFILE": "paper"} | values, paper.SETS)


def run(root, name="run", **changes):
    record = Record("demo", "paper", "0123456789", {"DATASET": "kinetics400"}, {}, {}, complete=True)
    replace(record, **changes).save(root / name)
    return root / name


def test_what_networks_start_from(tmp_path):
    def start(**given):
        return start_of(parameters(tmp_path, **given), PROTOCOLS)

    assert start() == Start(IMAGENET)
    assert start(PROFILE="quick") == Start(SCRATCH)
    assert start(PROFILE="quick", PRETRAINED="true") == Start(IMAGENET)
    assert start(PRETRAINED=False) == Start(SCRATCH)
    assert start(DATASET="folder") == Start(SCRATCH)  # no protocol
    assert start(INIT=str(run(tmp_path))) == Start("kinetics400", tmp_path / "run", "0123456789")
    (tmp_path / "net.pt").write_bytes(b"weights")
    found = start(INIT=str(tmp_path / "net.pt"))
    assert found == Start("file", tmp_path / "net.pt", hashlib.sha256(b"weights").hexdigest()[:10])
    (tmp_path / "net.pt").write_bytes(b"others")
    other = start(INIT=str(tmp_path / "net.pt"))
    assert other.plan() != found.plan()  # another run
    named = start(INIT=f"{tmp_path / 'net.pt'}:tsn")
    assert named == replace(other, source="tsn")
    assert named.plan() == {"pretrained": False, "init": other.plan()["init"] | {"source": "tsn"}}
    (tmp_path / "second.pt").write_bytes(b"second")
    both, swapped = (
        start(INIT=f"{tmp_path / a},{tmp_path / b}") for a, b in (("net.pt", "second.pt"), ("second.pt", "net.pt"))
    )
    assert both == Start("file", tmp_path / "net.pt", both.digest, second=tmp_path / "second.pt")
    assert len({both.digest, swapped.digest, other.digest}) == 3
    assert both.plan()["init"] == {"name": "file", "of": both.digest, "files": 2}
    assert start(INIT=str(run(tmp_path, "probe", parameters={}))).name == "probe"
    assert start(DATASET="probe", DATA="") == FROM_SCRATCH
    assert [Start(name).pretrained for name in (IMAGENET, SCRATCH, "kinetics400")] == [True, False, False]


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
        ({"INIT": "net.pt:tsm"}, "unknown source of INIT 'tsm' .did you mean tsn..; choose from p3d, gst, aia, "),
        ({"INIT": "run:tsn"}, "names the source 'tsn' behind a colon; it is for files, and .*run is a run"),
        ({"INIT": "net.pt,run"}, "INIT names two files, but .*run is a folder; a run is named alone"),
        ({"INIT": "net.pt,net.pt:eco"}, "INIT names two files and the source 'eco'; of two the names must tell"),
    ],
)
def test_starts_that_are_refused(tmp_path, monkeypatch, given, says):
    monkeypatch.chdir(tmp_path)
    run(tmp_path)
    run(tmp_path, "other", paper="cma")
    run(tmp_path, "part", study="streams")
    run(tmp_path, "half", complete=False)
    (tmp_path / "net.pt").touch()
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


def test_the_network_of_a_run_is_that_of_the_seed_or_the_first(tmp_path):
    for name in ("a-seed0.pt", "a-seed2.pt", "b-seed0.pt"):
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        (tmp_path / "checkpoints" / name).touch()
    assert initial_file(tmp_path, "a", 2).name == "a-seed2.pt"
    assert initial_file(tmp_path, "a", 1).name == "a-seed0.pt"
    assert initial_file(tmp_path / "checkpoints" / "b-seed0.pt", "a", 1).name == "b-seed0.pt"
    with pytest.raises(InputError, match="holds no network 'c'; it holds a, b"):
        initial_file(tmp_path, "c", 0)
    with pytest.raises(InputError, match="holds no network 'a'; it holds none"):
        initial_file(tmp_path / "checkpoints", "a", 0)
