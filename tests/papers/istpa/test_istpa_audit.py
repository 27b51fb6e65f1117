"""The audit of ISTPA: every complexity figure has its row, parameters by tables of layers, verdicts."""

from decimal import Decimal
from itertools import pairwise

import pytest

from videoattn.papers.istpa import audit, counted
from videoattn.reporting.audit import MISPRINT, NOT_REPRODUCIBLE, OTHER_READING, REPRODUCED, AuditRow
from videoattn.reporting.cost import parameters
from videoattn.reporting.printed import printed

VGG, BN, RESIDUAL = "VGGNet-16", "BN-Inception", "Inception-ResNet-V2"
AUDITED = ("10", "section 5.1.1", "section 5.1.2", "section 5.1.6", "section 5.3")


@pytest.fixture(scope="module")
def rows() -> list[AuditRow]:
    return audit.rows()


@pytest.fixture(scope="module")
def computed(rows) -> dict[tuple[str, str], int]:
    return {(r.row, r.quantity): r.computed for r in rows}


def value(table: str, row: str, column: str) -> Decimal:
    (found,) = [r["value"] for r in printed("istpa") if (r["table"], r["row"], r["column"]) == (table, row, column)]
    return Decimal(found)


def test_every_complexity_figure_is_audited_and_every_row_stands_in_the_paper(rows):
    figures = {(r["table"], r["row"], r["column"]): r["value"] for r in printed("istpa") if r["table"] in AUDITED}
    assert {(r.table, r.row, r.quantity): r.printed for r in rows} == figures
    assert len(rows) == len(figures) == 12 + 7 + 2 + 12 + 10
    others = [r for r in printed("istpa") if r["table"] not in AUDITED]
    assert {r["unit"] for r in others} == {"%"}
    assert sorted({int(r["table"]) for r in others}) == [*range(1, 10), *range(11, 16)]


def test_verdicts_of_table_10(rows):
    found = {(r.row, r.quantity): r.verdict for r in rows if r.table == "10"}
    assert {verdict for (_, network), verdict in found.items() if network == VGG} == {NOT_REPRODUCIBLE}
    assert {verdict for (_, network), verdict in found.items() if network == BN} == {OTHER_READING}
    assert {verdict for (_, network), verdict in found.items() if network == RESIDUAL} == {OTHER_READING}


def test_verdicts_of_the_sentences(rows):
    found = {(r.row, r.quantity): r.verdict for r in rows if r.table != "10"}
    assert {key: verdict for key, verdict in found.items() if verdict != REPRODUCED} == {
        ("Conv2d_4a_3x3", "channels"): MISPRINT,
        ("conv3_3", "side"): OTHER_READING,
        ("conv3_3", "channels"): MISPRINT,
        ("conv4_3", "side"): OTHER_READING,
        ("conv5_3", "side"): OTHER_READING,
        ("inception-3", "side"): OTHER_READING,
        ("inception-3", "channels"): OTHER_READING,
        ("inception-4", "side"): OTHER_READING,
        ("inception-4", "channels"): OTHER_READING,
        (VGG, "Params"): NOT_REPRODUCIBLE,
        (VGG, "extra Params"): NOT_REPRODUCIBLE,
        (VGG, "extra Params share"): OTHER_READING,
        (BN, "Params"): OTHER_READING,
        (BN, "extra Params"): OTHER_READING,
        (BN, "extra Params share"): OTHER_READING,
        (RESIDUAL, "Params"): OTHER_READING,
        (RESIDUAL, "extra Params share"): OTHER_READING,
        ("attention layer", "complexity"): MISPRINT,
    }


def test_integers_of_table_10(computed):
    found = {network: [computed[row, network] for row in audit.ROWS] for network in (VGG, BN, RESIDUAL)}
    assert found == {
        VGG: [138_357_544, 138_382_681, 138_407_818, 138_420_411],
        BN: [10_263_557, 10_313_782, 10_364_007, 10_379_736],
        RESIDUAL: [57_106_858, 57_240_042, 57_309_738, 57_330_282],
    }
    assert [computed[network, "extra Params"] for network in (VGG, BN, RESIDUAL)] == [62_867, 116_179, 223_424]
    for network in (VGG, BN, RESIDUAL):
        assert computed[network, "Params"] == found[network][0]
        assert computed[network, "extra Params share"] == computed[network, "extra Params"]


def test_vgg_by_hand():
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    maps = sum(9 * a * b + b for a, b in pairwise(widths))
    for classes in (101, 1000):
        full = (49 * 512 + 1) * 4096 + 4097 * 4096 + 4097 * classes
        assert parameters(counted.network(VGG, classes=classes)) == maps + full
    assert counted.layer(VGG, ("pool5",)) == 49 * 513
    assert counted.layer(VGG, ("conv3_3", "conv4_3", "conv5_3")) == 196 * (257 + 513 + 513)


# 1x1, 3x3 reduce, 3x3, double reduce, double, projection; of the publication.
MODULES = [
    (64, 64, 64, 64, 96, 32),
    (64, 64, 96, 64, 96, 64),
    (0, 128, 160, 64, 96, 0),
    (224, 64, 96, 96, 128, 128),
    (192, 96, 128, 96, 128, 128),
    (160, 128, 160, 128, 160, 96),
    (96, 128, 192, 160, 192, 96),
    (0, 128, 192, 192, 256, 0),
    (352, 192, 320, 160, 224, 128),
    (352, 192, 320, 192, 224, 128),
]


def test_bn_inception_by_hand():
    """Each convolution has its kernels and a number a channel: a shift by batch norm, or a bias."""
    kernels = [(49 * 3, 64), (64, 64), (9 * 64, 192)]
    channels = 192
    for one, reduce, three, narrow, double, project in MODULES:
        kernels += [(channels, one), (channels, reduce), (9 * reduce, three), (channels, narrow)]
        kernels += [(9 * narrow, double), (9 * double, double), (channels, project)]
        channels = one + three + double + (project or channels)
    assert channels == 1024
    weights, shifts = sum(a * b for a, b in kernels), sum(b for _, b in kernels)
    whole = weights + shifts + 1025 * 101
    assert counted.without_scale(counted.SLIM) == whole == 10_263_557
    assert counted.as_built(counted.SLIM) == whole + 2 * shifts  # also a scale and a bias
    wider = 32 * (576 + 1) + (128 * 608 + 128) - (96 * 576 + 96)  # behind the pools of 4c and 4d
    readers = (96 + 128 + 160) + (128 + 192) + (352 + 192 + 160 + 128)  # 4d, 4e and 5a read 32 channels more
    assert counted.without_scale(BN) == whole + wider + 32 * readers
    assert counted.layer(counted.SLIM, audit.NARROW) == 49 * (1025 + 1025 + 321)


def test_the_auxiliary_head_and_the_scales_of_inception_resnet():
    head = 1088 * 128 + 128 + 25 * 128 * 768 + 768 + 768 * 101 + 101
    assert counted.auxiliary_head(scale=False) == head
    assert counted.auxiliary_head(scale=True) == head + 128 + 768
    scales = counted.norm_channels(counted.network(RESIDUAL))
    assert counted.without_scale(RESIDUAL) + scales == counted.as_built(RESIDUAL) == 54_461_701
    assert counted.as_built(RESIDUAL) + 1537 * (1000 - 101) == 55_843_464  # with ImageNet's classes
    with_scale = counted.as_built(RESIDUAL) + counted.auxiliary_head(scale=True)
    assert audit.millions(with_scale) == "57.14M"  # not the printed 57.11


def test_readings_name_what_was_tried(rows):
    found = {(r.table, r.row, r.quantity): r.reading for r in rows}
    bn = found["10", "3 scales", BN]
    assert "5b, 4e, 3b 10.38M; 5b, 4e, 3a 10.38M; 5b, 4e, 3c 10.39M; 5b, 4d, 3b 10.36M" in bn
    assert "5b, 4e, 3b and a separable first convolution 10.37M; the printed sizes 10.38M" in bn
    assert counted.SEPARABLE == 6_696
    assert "the printed sizes 10.35M" in found["10", "2 scales", BN]
    assert "printed are 0.26M more than the original, the printed sides 0.06M" in found["10", "3 scales", VGG]
    assert "56 x 56 x 256 before it" in found["section 5.1.6", "conv3_3", "side"]
    reading = found["section 5.1.6", "inception-4", "channels"]
    assert "GoogLeNet's 4e, 14 x 14 x 832" in reading
    assert "7 x 7 x 1056 behind 4e, the last one, and 14 x 14 x 608 behind 4d" in reading
    assert (
        "0.22M of the original's 57.11M are 0.385%, of both 0.384%"
        in found["section 5.3", RESIDUAL, "extra Params share"]
    )


def test_what_the_layer_costs(computed):
    assert computed["attention layer", "complexity"] == counted.multiply_adds(3)[0] == 68_419_584
    layer, whole = counted.multiply_adds(25)
    assert layer == 570_163_200 == 2 * 25 * 64**2 * 2080 + 25 * 64**2 * (1088 + 320)
    frame, left = divmod(whole - counted.multiply_adds(3)[1], 22)
    assert (left, whole - 25 * frame) == (0, 64 * 2080 * 1536 + 1536 * 101)  # once a clip: the last convolution, scores
    assert 0.001 < layer / whole < 0.003


@pytest.mark.parametrize(
    ("table", "better", "base", "column", "gain"),
    [
        ("2", "1 scale", "0 scales", "RGB", "1.1"),
        ("2", "1 scale", "0 scales", "Flow", "0.9"),
        ("2", "3 scales", "0 scales", "RGB", "2.1"),
        ("2", "3 scales", "0 scales", "Flow", "2.4"),
        *(("4", "both", "without both", c, g) for c, g in (("RGB", "0.9"), ("Flow", "1.0"), ("Late fusion", "0.9"))),
        ("6", "interaction-aware pyramid attention", "Inception-ResNet-V2", "CIFAR-100+", "2.2"),
        *(
            ("9", f"{network} with attention", f"{network} without attention", column, gain)
            for network, gains in ((VGG, "3.4 1.6 2.1"), (BN, "2.2 0.7 2.6"), (RESIDUAL, "3.0 3.4 2.5"))
            for column, gain in zip(("RGB", "Flow", "Late fusion"), gains.split(), strict=True)
        ),
        ("14", "TSN+ours", "TSN (ResNet-50)", "Top-1", "1.1"),
        ("14", "TSM+ours", "TSM", "Top-1", "0.8"),
        ("15", "BN-Inception 3 scales entire loss", "RGB stream (BN-Inception)", "mAP", "3.4"),
        ("15", "BN-Inception 3 scales entire loss", "RGB stream (BN-Inception)", "wAP", "5.4"),
    ],
)
def test_the_gains_in_the_text_are_those_of_the_tables(table, better, base, column, gain):
    assert value(table, better, column) - value(table, base, column) == Decimal(gain)


def test_the_printed_tables_agree_with_each_other():
    assert value("1", "Block C", "RGB") == value("2", "1 scale", "RGB")
    assert value("3", "multiplication", "RGB") == value("2", "3 scales", "RGB") == value("4", "without both", "RGB")
    for column in ("RGB", "Flow", "Late fusion"):
        assert value("4", "both", column) == value("9", f"{RESIDUAL} with attention", column)
        if column != "Late fusion":
            assert value("2", "0 scales", column) == value("9", f"{RESIDUAL} without attention", column)
    assert value("5", "Our method", "Accuracy") == value("11", "Late fusion", "Accuracy")
