"""Files that are told apart, refused and reported, and offsets from network to network."""

import pytest
import timm
import torch
from logit_cases import ALL, FRAMES, LAYERS, NON_LOCAL, SMALL, WIDTHS, flow, rgb, unit, with_non_local
from other_programs import AIA, MEAN, STD, ResNet, pixels
from random_weights import noise, randomise
from torch import nn

from videoattn.backbones.bn_inception import BNInception
from videoattn.backbones.resnet import resnet
from videoattn.backbones.tsn import tsn
from videoattn.errors import InputError
from videoattn.layers.attach import attach
from videoattn.layers.non_local import NonLocalBlock
from videoattn.papers.aia.network import gated
from videoattn.papers.cma.network import SingleStream
from videoattn.weights.files import Weights
from videoattn.weights.initial import describe, load_weights

TINY = SMALL | {"layers": (1, 1, 1, 1)}


def drawn(program: str = "tsn", **parts) -> dict[str, torch.Tensor]:
    """The state dict of a ResNet of the authors."""
    theirs = ResNet(program, **{"widths": WIDTHS, "layers": LAYERS, "frames": FRAMES} | parts)
    with torch.no_grad():
        theirs(unit(pixels(FRAMES, parts.get("channels", 3), 32, 32), MEAN, STD))
    return theirs.w


def flow_network() -> nn.Module:
    return resnet("resnet50", in_channels=10, **TINY).double().eval()


def tsn_flow() -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """A file of TSN's authors, quantised flow and their scores of it."""
    theirs, q = ResNet("tsn", widths=WIDTHS, layers=(1, 1, 1, 1), frames=1), pixels(2, 10, 32, 32)
    with torch.no_grad():
        return theirs.w, q, theirs((q / 255 - 0.5) / 0.226)


def test_the_report_says_what_was_taken_for_what():
    state, _, _ = tsn_flow()
    report = load_weights(flow_network(), state, head=True)
    lines = describe(report).splitlines()
    assert lines[0] == f"{len(state)} of {len(state)} tensors loaded"
    assert lines[1].startswith("taken for a file of TSN's and TSM's authors, github.com/yjxiong/tsn-pytorch ")
    assert lines[2:] == ["its input: flow: (0 to 255 - 127.5) / 57.63; converted to ours"]
    network = tsn(frames=FRAMES, **SMALL)
    assert len(describe(load_weights(network, drawn(), head=True)).splitlines()) == 2  # RGB is ours


def test_a_plain_file_for_flow_must_be_named():
    state, q, expected = tsn_flow()
    plain = {key.removeprefix("module.base_model.").removeprefix("module.new_"): w for key, w in state.items()}
    network = flow_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(
        InputError, match=r"flow \(10 channels\), .* as in INIT=<file>:tsn, or :own for networks of this"
    ):
        load_weights(network, plain, head=True)
    assert all(value.equal(before[key]) for key, value in network.state_dict().items())
    with torch.no_grad():
        load_weights(network, plain, head=True, source="tsn")
        torch.testing.assert_close(network(flow(q)), expected, rtol=0, atol=1e-10)
        own = flow_network()
        report = load_weights(own, plain, head=True, source="own")
        assert report.input is None
        torch.testing.assert_close(own((q / 255 - 0.5) / 0.226), expected, rtol=0, atol=1e-10)
        assert (own(flow(q)) - expected).abs().max() > 0.5  # as without a conversion


@pytest.mark.parametrize("told", ["by its wrapper", "by what else is in the file"])
def test_own_networks_of_flow_are_known(told):
    wrapped = told == "by its wrapper"
    before = SingleStream(flow_network(), stream="flow") if wrapped else flow_network()
    state = Weights(randomise(before).state_dict())
    if not wrapped:
        state.others = ("identity", "rows")
    network = SingleStream(flow_network(), stream="flow") if wrapped else flow_network()
    report = load_weights(network, state, head=True)
    assert (report.source.name, report.input, report.missing) == ("own", None, ())
    assert all(value.equal(state[key]) for key, value in network.state_dict().items())


def test_offsets_go_on_to_networks_that_start_from_ours():
    state, q, expected = tsn_flow()
    first = SingleStream(flow_network(), stream="flow")
    with torch.no_grad():
        load_weights(first, state, head=True)
        trained = first.state_dict()
        assert trained["backbone.conv1.offset"].equal(torch.full((10,), -0.5 / 127.5, dtype=torch.float64))
        second, third = (SingleStream(flow_network(), stream="flow") for _ in range(2))
        report = load_weights(second, trained, head=True)
        assert (report.source.name, report.missing, report.unused) == ("own", (), ())
        third.load_state_dict(trained)
        for network in (second, third):
            torch.testing.assert_close(network.backbone(flow(q)), expected, rtol=0, atol=1e-10)
        plain = randomise(SingleStream(flow_network(), stream="flow"))
        load_weights(second, plain.state_dict(), head=True)  # whose offset is none
        assert second.backbone(flow(q)).equal(plain.backbone(flow(q)))


def test_a_still_pixel_is_that_of_the_authors_at_the_border():
    """Their padding is 127.5, which lies between two levels; ours stands for 128."""
    state, _, _ = tsn_flow()
    network = flow_network()
    load_weights(network, state, head=True)
    with torch.no_grad():
        maps = network.conv1(torch.full((1, 10, 15, 15), -0.5 / 127.5, dtype=torch.float64))
    assert maps.abs().max() < 1e-14


def test_any_network_takes_an_offset():
    """Also one whose first convolution was not made for it."""
    state, q, expected = tsn_flow()
    network = timm.create_model("resnet50", in_chans=10, num_classes=5, channels=WIDTHS, layers=(1, 1, 1, 1))
    network.double().eval()
    load_weights(network, state, head=True)
    with torch.no_grad():
        torch.testing.assert_close(network(flow(q)), expected, rtol=0, atol=1e-10)


def test_files_of_other_networks_are_refused_when_they_are_loaded():
    state = {key.replace(".layer2.", ".layer2.net."): w for key, w in drawn(shifts=ALL).items()}
    with pytest.raises(
        InputError, match=r"layer2\.net\.0\.conv1\.net\.weight: its network pools over time before layer2"
    ):
        load_weights(tsn(frames=FRAMES, shift=True, **SMALL), state, head=True)


def test_old_batch_norms_lose_their_first_axis():
    network = BNInception(classes=5)
    state = {key: w[None] if ".norm." in key and w.dim() == 1 else w for key, w in network.state_dict().items()}
    state["inception_3a.branch_one.norm.weight"] *= 3
    report = load_weights(BNInception(classes=5), state, head=True)
    assert not report.missing
    assert report.adapted == ()
    other = BNInception(classes=5)
    load_weights(other, state, head=True)
    assert other.inception_3a.branch_one.norm.weight.eq(3).all()


def test_shifts_must_be_where_the_network_has_them():
    state = drawn(shifts=ALL)
    network = tsn(frames=FRAMES, shift=True, **SMALL)
    assert load_weights(network, state, head=True).notes == ()
    assert load_weights(network, network.state_dict(), head=True).notes == ()
    (note,) = load_weights(network, drawn(), head=True).notes  # as TSM starts from TSN
    assert note == "whether its network shifts frames; this one does, before 10 convolutions"
    assert load_weights(tsn(frames=FRAMES, **SMALL), drawn(), head=True).notes == ()
    with pytest.raises(
        InputError, match=r"the file's network shifts frames before 10 convolutions .*, this one before 0"
    ):
        load_weights(tsn(frames=FRAMES, **SMALL), state, head=True)
    for program in ("tsn", "mmaction2"):
        some = drawn(program, shifts=ALL[::2])
        with pytest.raises(
            InputError, match=r"before 5 convolutions \(layer1\.0\.conv1\.weight, .*, this one before 10 \("
        ):
            load_weights(tsn(frames=FRAMES, shift=True, **SMALL), some, head=True)


@pytest.mark.parametrize("program", ["tsn", "mmaction2"])
def test_non_local_blocks_must_compute_alike(program):
    state = drawn(program, shifts=ALL, non_local=NON_LOCAL)
    network = tsn(frames=FRAMES, shift=True, **SMALL)
    blocks = {f"backbone.{path}": NonLocalBlock(channels=32, dims=3, pool=False) for path in NON_LOCAL}
    attach(network, blocks, frames=FRAMES)
    with pytest.raises(
        InputError, match=r"g.*weight, of a non-local block with a pool and without a scale; backbone.layer2"
    ):
        load_weights(network, state, head=True)
    without = {key.replace(".g.0.", ".g.").replace(".phi.0.", ".phi."): w for key, w in state.items()}
    report = load_weights(network, without, head=True)
    assert not report.missing
    with pytest.raises(
        InputError, match=r"block without a pool .* of the network is one with a pool and without a scale"
    ):
        load_weights(with_non_local(), without, head=True)
    network.backbone.layer3[2].attached.block.scale = 0.5
    with pytest.raises(
        InputError, match=r"layer3\.2\.attached\.block of the network is one without a pool but with a scale"
    ):
        load_weights(network, without, head=True)


def test_blocks_that_the_network_lacks_are_told():
    state = drawn(shifts=ALL, non_local=NON_LOCAL)
    report = load_weights(tsn(frames=FRAMES, shift=True, **SMALL), state, head=True)
    assert not report.missing
    assert {key.split(".nl.")[0][-8:] for key in report.unused} == set(NON_LOCAL)
    dot = load_weights(with_non_local(), drawn("mmaction2", shifts=ALL, non_local=NON_LOCAL), head=True)
    assert "left open: whether the non-local blocks take a softmax" in describe(dot)


def test_gates_of_another_module_stay_as_they_are():
    state = drawn(gate=AIA("C"))
    network = gated(tsn(frames=FRAMES, **SMALL), "CinST")
    before = network.backbone.layer1[0].bn2.attached.block.inner.contexts["C"].conv.weight.clone()
    report = load_weights(network, state, head=True)
    assert network.backbone.layer1[0].bn2.attached.block.inner.contexts["C"].conv.weight.equal(before)
    assert len([key for key in report.missing if "attached" in key]) == 10 * 4 * 6
    assert report.notes == ()
    right = gated(tsn(frames=FRAMES, **SMALL), "C")
    assert "left open: which module the gates are" in describe(load_weights(right, state, head=True))


def test_batch_norms_with_another_epsilon_are_refused():
    network = tsn(frames=FRAMES, **SMALL)
    network.backbone.layer2[0].bn1.eps = 1e-3
    with pytest.raises(
        InputError, match=r"batch norms of TSN's .* have epsilon 1e-05, backbone\.layer2\.0\.bn1 .* 0\.001"
    ):
        load_weights(network, drawn(), head=True)
    load_weights(network, tsn(frames=FRAMES, **SMALL).state_dict(), head=True)


def test_clips_of_the_authors_are_ours_where_nothing_is_converted():
    """The same scores with the weights put in by hand: what `logit_cases` compares is not made equal by the loader."""
    theirs, clip = ResNet("tsn", widths=WIDTHS, layers=LAYERS, frames=FRAMES, shifts=ALL), pixels(1, 3, FRAMES, 32, 32)
    with torch.no_grad():
        expected = theirs(unit(clip[0].transpose(0, 1), MEAN, STD))
        network = tsn(frames=FRAMES, shift=True, **SMALL).double().eval()
        bare = {key.replace("module.base_model.", "backbone.").replace(".net.", "."): w for key, w in theirs.w.items()}
        network.load_state_dict({key.replace("module.new_fc", "backbone.fc"): w for key, w in bare.items()})
        torch.testing.assert_close(network(rgb(clip)), expected, rtol=1e-12, atol=1e-10)
        assert (network(noise(1, 3, FRAMES, 32, 32)) - expected).abs().max() > 0.1
