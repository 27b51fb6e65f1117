"""Every job of every profile gets the network, the weights and the frozen parts that the paper says."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from videoattn.data.flow.cache import FlowCache, FlowSettings
from videoattn.engine.parameters import check
from videoattn.engine.protocol import FROM_SCRATCH, IMAGENET, Start
from videoattn.engine.study import make_study
from videoattn.errors import InputError
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.cma.attention import CMABlock
from videoattn.papers.cma.experiments import CENTRAL, PAPER, PROFILES, QUICK, ROWS, VARIANTS, Profile, build, job
from videoattn.papers.cma.network import CMANetwork, SingleStream, StackedStreams
from videoattn.papers.cma.rivals import AddedBlock

CLASSES = 4
SMALL = {"channels": (4, 8, 8, 16), "stem_width": 4, "layers": (1, 3, 3, 1), "p3d_layers": (1, 1, 2, 1), "p3d_width": 2}


def in_turn(profile: Profile, names: tuple[str, ...]) -> dict[str, nn.Module]:
    """The networks of the jobs in order, each started from those before; seeds differ, as they do in a study."""
    built: dict[str, nn.Module] = {}
    for seed, name in enumerate(names):
        torch.manual_seed(seed)
        built[name] = build(VARIANTS[name], profile, classes=CLASSES, weights=lambda n: built[n].state_dict())
    return built


@pytest.fixture(scope="module")
def tiny() -> dict[str, nn.Module]:
    return in_turn(replace(QUICK, **SMALL), tuple(VARIANTS))


def trained(network: nn.Module) -> set[str]:
    return {name for name, parameter in network.named_parameters() if parameter.requires_grad}


def equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    assert ours.keys() == theirs.keys()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def under(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    state = network.state_dict()
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def test_the_paper_profile_is_the_papers():
    assert (PAPER.backbone, PAPER.channels, PAPER.p3d_layers, PAPER.dropout) == ("resnet50", None, (3, 8, 36, 3), 0.7)
    recipe = PAPER.recipe
    assert (recipe.epochs, recipe.batch_size, recipe.lr, recipe.weight_decay) == (30, 128, 0.01, 5e-4)
    views = PAPER.snippets
    assert (views.fields, views.frames, views.test_frames, views.size, views.test_crops) == (5, 3, 25, 224, 10)


def test_the_first_iteration_starts_with_the_flow_branch_alone(tiny):
    for name, flow in (("cma-1", "flow"), ("cma-1-nl", "flow"), ("cma-1-circular", "flow-circular")):
        network = tiny[name]
        assert equal(under("streams.flow.", network), under("backbone.", tiny[flow])), name
        assert all(block.is_identity() for s in ("rgb", "flow") for block in network.blocks[s].values())
        ours = {n for n, _ in network.named_parameters() if n.split(".")[1] == "rgb"}
        assert trained(network) == ours


WARM = {"rgb-nl": "rgb", "flow-nl": "flow", "cma-1": "rgb", "cma-1-nl": "rgb", "cma-1-circular": "rgb-circular"}


@pytest.mark.parametrize("name", WARM)
def test_a_warm_start_takes_over_all_but_the_blocks(tiny, name):
    """The stream alone, blocks at identity: the scores are those of the stream."""
    warm, stream = tiny[WARM[name]], VARIANTS[name].stream
    clip = {"rgb": torch.randn(2, 3, 1, 44, 44), "flow": torch.randn(2, 10, 1, 44, 44)}
    with torch.no_grad():
        torch.testing.assert_close(tiny[name].eval()(clip)[stream], warm.eval()(clip)[stream])
    prefix = "backbone." if VARIANTS[name].kind == "single" else f"streams.{stream}."
    ours, theirs = under(prefix, tiny[name]), under("backbone.", warm)
    assert equal({n: ours[n] for n in theirs}, theirs)


def test_only_profiles_without_imagenet_weights_start_warm():
    assert {name for name, profile in PROFILES.items() if not profile.warm_start} == {"paper"}
    for name, expected in (("cma-1", {"flow", "rgb"}), ("rgb-nl", {"rgb"}), ("rgb", set())):
        assert set(job(name, QUICK, FROM_SCRATCH).after) == expected
        assert set(job(name, QUICK, Start(IMAGENET)).after) == expected - {"rgb"}
    cold = in_turn(replace(QUICK, **SMALL, warm_start=False), ("rgb", "flow", "cma-1"))
    key = "layer2.0.conv1.weight"
    assert not torch.equal(under("streams.rgb.", cold["cma-1"])[key], under("backbone.", cold["rgb"])[key])


@pytest.mark.parametrize(("name", "before", "stream"), [("cma-2", "cma-1", "flow"), ("cma-3", "cma-2", "rgb")])
def test_later_iterations_start_with_all_of_the_one_before(tiny, name, before, stream):
    network = tiny[name]
    assert equal(network.state_dict(), tiny[before].state_dict())
    assert trained(network) == {n for n, _ in network.named_parameters() if n.split(".")[1] == stream}


def test_non_local_blocks_stand_in_the_trained_branch_only(tiny):
    def number(module: nn.Module) -> int:
        return sum(isinstance(m, NonLocalBlock) for m in module.modules())

    assert {name: number(network) for name, network in tiny.items() if number(network)} == {
        "rgb-nl": 5,
        "flow-nl": 5,
        "cma-1-nl": 5,
    }
    assert number(tiny["cma-1-nl"].streams["rgb"]) == 5


def test_circular_padding_is_everywhere(tiny):
    def modes(name: str) -> set[str]:
        return {m.padding_mode for m in tiny[name].modules() if isinstance(m, nn.Conv2d) and any(m.padding)}

    assert modes("cma-1-circular") == modes("flow-circular") == {"circular"}
    assert modes("cma-1") == {"zeros"}


def test_transfer_replaces_and_trains_the_last_layer_alone(tiny):
    for name in ("rgb", "flow"):
        ours, theirs = tiny[f"transfer-{name}"].state_dict(), tiny[name].state_dict()
        assert {n for n in ours if not torch.equal(ours[n], theirs[n])} == {"backbone.fc.weight"}
        assert trained(tiny[f"transfer-{name}"]) == {"backbone.fc.weight", "backbone.fc.bias"}
    ours, theirs = tiny["transfer-cma-1"].state_dict(), tiny["cma-1"].state_dict()
    changed = {n for n in ours if not torch.equal(ours[n], theirs[n])}
    assert changed == {"streams.rgb.fc.weight", "streams.flow.fc.weight"}
    assert trained(tiny["transfer-cma-1"]) == {"streams.rgb.fc.weight", "streams.rgb.fc.bias"}
    tiny["transfer-cma-1"].train()
    norms = [m for m in tiny["transfer-cma-1"].modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(norm.training for norm in norms)
    tiny["transfer-cma-1"].eval()


def test_p3d_cma_starts_with_both_streams_and_trains_the_block_and_what_is_behind(tiny):
    network = tiny["p3d-cma-1"]
    assert network.positions == ("layer3.1",)  # behind the last block of res4
    for s in ("rgb", "flow"):
        assert equal(under(f"streams.{s}.", network), under("backbone.", tiny[f"p3d-{s}"]))
    assert {".".join(n.split(".")[:3]) for n in trained(network)} == {
        "streams.rgb.layer4",
        "streams.rgb.fc",
        "blocks.rgb.layer3_1",
    }


@pytest.mark.parametrize("name", ["full", "paper"])
def test_networks_are_of_the_kind_that_their_variants_say(name, networks):
    for label, network in networks("cma", "", PROFILES[name]).items():
        kind = VARIANTS[label].kind
        expected = CMANetwork if "cma" in kind else StackedStreams if kind == "stacked" else SingleStream
        assert isinstance(network, expected), label


def test_what_attention_has_to_beat(tiny):
    blocks = {name: {type(block) for block in tiny[name].blocks["rgb"].values()} for name in ("cma-1", "add-1")}
    assert blocks == {"cma-1": {CMABlock}, "add-1": {AddedBlock}}
    assert all(block.everywhere for block in tiny["uniform-1"].blocks["rgb"].values())
    assert tiny["stacked"].backbone.conv1[0].in_channels == 13
    own = job("stacked", QUICK, FROM_SCRATCH)
    assert (own.streams, own.recipe, own.after) == (("rgb", "flow"), QUICK.stacked, ())
    assert own.recipe == replace(QUICK.recipe, epochs=3 * QUICK.recipe.epochs)  # of RGB, of flow, of both
    assert job("add-1", QUICK, FROM_SCRATCH).after == job("cma-1", QUICK, FROM_SCRATCH).after


def test_what_each_kind_of_job_reads_and_how_it_is_trained():
    own = replace(QUICK, stacked=replace(QUICK.recipe, lr=2), transfer=replace(QUICK.recipe, lr=3))
    both = ("rgb", "flow")
    for name, recipe, streams, clips in (
        ("rgb", own.recipe, ("rgb",), own.snippets),
        ("flow-circular", own.recipe, ("flow",), own.snippets),
        ("flow-nl", own.recipe, ("flow",), own.snippets),
        ("cma-2", own.recipe, both, own.snippets),
        ("p3d-flow", own.recipe, ("flow",), own.dense),
        ("p3d-cma-1", own.recipe, both, own.dense),
        ("p3d-rgb-12", own.recipe, ("rgb",), replace(own.dense, frames=12)),
        ("stacked", own.stacked, both, own.snippets),
        ("transfer-cma-1", own.transfer, both, own.snippets),
    ):
        one = job(name, own, FROM_SCRATCH)
        assert (one.recipe, one.stream, one.streams) == (recipe, VARIANTS[name].stream, streams)
        assert one.train == one.test == clips
        assert one.flow == FlowSettings(algorithm="dis", short_side=44)
        assert one.probe == (own.probe.second() if name.startswith("transfer") else own.probe)
        assert one.initial == ("" if VARIANTS[name].after else name)


def test_rows_fuse_with_the_papers_weights():
    weights = {row.name: tuple(part[2] for part in row.parts) for row in ROWS}
    assert [weights[name] for name in ("two-stream", "cma-1-S", "cma-2-S", "cma-3-S")] == [
        (1, 1),
        (5, 1),
        (1, 5),
        (5, 1),
    ]


@pytest.mark.parametrize("pretrained", ["false", "true"])
def test_without_a_run_to_transfer_from_the_networks_are_trained_here(pretrained, study_of, ucf101, monkeypatch):
    """As the message of `PROFILE=paper DATASET=ucf101` advises; found out before any flow is computed."""
    monkeypatch.setattr(FlowCache, "build", None)
    given = {"PROFILE": "paper", "DATASET": "ucf101", "DATA": str(ucf101), "PRETRAINED": pretrained}
    one = study_of("cma", **given)
    assert tuple(own.name for own in one.jobs) == CENTRAL
    assert {earlier for own in one.jobs for earlier in own.after} <= set(CENTRAL)
    assert {"rgb", "flow", "two-stream", "rgb-nl-S", "cma-1-R", "cma-1-S"} <= {row.name for row in one.rows}
    with pytest.raises(InputError, match=r"transfer-rgb fine-tunes networks of another data set: give INIT="):
        study_of("cma", **given, JOBS="transfer-rgb")


def test_every_row_is_counted_by_the_length_of_the_step(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEOATTN_CACHE", str(tmp_path / "cache"))
    values = {"PROFILE": "check", "JOBS": "rgb,flow", "RUNS": str(tmp_path / "runs")}
    study = make_study(check("cma", values, ()))
    record = study.run()
    probe = study.profile.probe
    lengths = [probe.scene("test", number).speed for number in range(probe.test)]
    expected = [(level, lengths.count(level)) for level in sorted(set(lengths))]
    assert len(expected) > 1
    for row in ("rgb", "flow", "two-stream"):
        (counts,) = record.values(row, "levels")
        assert [(pytest.approx(level), clips) for level, _, clips in counts] == expected
        (top1,) = record.values(row)
        assert sum(right for _, right, _ in counts) == round(top1 * probe.test)
