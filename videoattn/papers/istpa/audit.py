"""Which network computes which complexity figure of the paper, and what the figure is worth.

The paper gives parameters in millions. Two of its networks are those of TensorFlow with 101 classes, whose batch norms
have no scale; for VGG-16 no reading is found.
"""

import functools
from collections.abc import Iterator
from decimal import Decimal

from videoattn.backbones.scales import Scale
from videoattn.papers.istpa.closed_forms import layer_parameters
from videoattn.papers.istpa.counted import (
    BN,
    RESIDUAL,
    SEPARABLE,
    SLIM,
    VGG,
    as_built,
    auxiliary_head,
    googlenet_shapes,
    layer,
    multiply_adds,
    network,
    shapes,
    without_scale,
)
from videoattn.reporting.audit import MISPRINT, AuditRow, compared, counted, millions
from videoattn.reporting.cost import parameters
from videoattn.reporting.printed import printed_value

ROWS = ("Original", "1 scale", "2 scales", "3 scales")
FRAMES = {"training": 3, "testing": 25}
BLOCKS = ("Block A", "Block B", "Block C")
POOLS = ("pool3", "pool4", "pool5")
NARROW = ("inception-3b", "inception-4e", "inception-5b")
_row, _count = (functools.partial(f, "istpa") for f in (compared, counted))


def rows() -> list[AuditRow]:
    """Every complexity figure that the paper prints, in table 10 and in sentences."""
    return [*_table_10(), *_sizes_of_maps(), *_section_5_3()]


def _table_10() -> Iterator[AuditRow]:
    for name in (VGG, BN, RESIDUAL):
        for scales, row in enumerate(ROWS):
            plain, total, reading = cell(name, scales)
            yield _count("10", row, name, total, reading, instead=plain)


def cell(name: str, scales: int) -> tuple[int, int, str]:
    """Parameters of a network with so many scales: as built, under the reading that fits best, and that reading."""
    return {VGG: _vgg, BN: _bn_inception, RESIDUAL: _inception_resnet}[name](scales)


def _vgg(scales: int) -> tuple[int, int, str]:
    plain, total = as_built(VGG), parameters(network(VGG, classes=1000))
    if not scales:
        return plain, total, f"1000 classes; with 101 {millions(plain)}"
    more = layer(VGG, POOLS[-scales:])
    tried = {
        "the printed sides": more,
        "the printed channels too": layer_parameters((512,) * scales, ((7, 7),) * scales),
        "conv3_3, conv4_3, conv5_3 as they are": layer(VGG, ("conv3_3", "conv4_3", "conv5_3")[-scales:]),
    }
    printed = figure("10", ROWS[scales], VGG) - figure("10", ROWS[0], VGG)
    shown = "; ".join(f"{what} {millions(value)}" for what, value in tried.items())
    return plain + more, total + more, f"1000 classes; printed are {printed}M more than the original, {shown}"


def _bn_inception(scales: int) -> tuple[int, int, str]:
    plain, total = as_built(BN), without_scale(SLIM)
    if not scales:
        reading = "101 classes, the narrow 4c and 4d of the publication, no biases, batch norm without scale; with a "
        reading += f"separable first convolution, as TensorFlow's, {millions(total - SEPARABLE)}"
        return plain, total, f"{reading}; as built {millions(plain)}, narrow {millions(as_built(SLIM))}"
    readings = {
        "5b, 4e, 3b": NARROW,
        "5b, 4e, 3a": ("inception-3a", *NARROW[1:]),
        "5b, 4e, 3c": ("inception-3c", *NARROW[1:]),
        "5b, 4d, 3b": ("inception-3b", "inception-4d", "inception-5b"),
    }
    tried = {what: total + layer(SLIM, places[-scales:]) for what, places in readings.items()}
    tried["5b, 4e, 3b and a separable first convolution"] = tried["5b, 4e, 3b"] - SEPARABLE
    tried["the printed sizes"] = total + layer_parameters((480, 832, 1024)[-scales:], ((7, 7),) * scales)
    shown = "; ".join(f"{what} {millions(value)}" for what, value in tried.items())
    built = plain + layer(BN, readings["5b, 4d, 3b"][-scales:])
    return built, total + layer(SLIM, NARROW[-scales:]), f"narrow: {shown}; as built, 5b, 4d, 3b {millions(built)}"


def _inception_resnet(scales: int) -> tuple[int, int, str]:
    more = layer(RESIDUAL, BLOCKS[-scales:] if scales else ())
    plain = as_built(RESIDUAL) + more
    total = without_scale(RESIDUAL) + auxiliary_head(scale=False) + more
    scaled = plain + auxiliary_head(scale=True)
    reading = f"101 classes, auxiliary head, batch norm without scale; with it {millions(scaled)}"
    return plain, total, f"{reading}, and without the head {millions(plain)}"


def _sizes_of_maps() -> Iterator[AuditRow]:
    residual, vgg, inception, older = shapes(RESIDUAL), shapes(VGG), shapes(BN), googlenet_shapes()
    for block in BLOCKS:
        yield from _size("section 5.1.1", block, residual[block], "frames of 299 x 299, before the activation")
    channels = residual["Fully Connected"].channels
    yield _count("section 5.1.1", "Fully Connected", "channels", channels, "its input")
    place = "Conv2d_4a_3x3"
    yield from _size("section 5.1.2", place, residual[place], "frames of 299 x 299, before the activation")
    for stage in (3, 4, 5):
        before, behind = vgg[f"conv{stage}_3"], vgg[f"pool{stage}"]
        reading = f"frames of 224 x 224, behind the max-pool; {shown(before)} before it"
        yield from _size("section 5.1.6", f"conv{stage}_3", behind, reading, plain=before)
    for stage, last, above, theirs in ((3, "3c", "3b", "3b"), (4, "4e", "4d", "4e"), (5, "5b", "5a", "5b")):
        found, plain = older[theirs], inception[f"inception-{last}"]
        reading = f"GoogLeNet's {theirs}, {shown(found)}; BN-Inception has {shown(plain)} behind {last}, the last one, "
        reading += f"and {shown(inception[f'inception-{above}'])} behind {above}"
        yield from _size("section 5.1.6", f"inception-{stage}", found, reading, plain=plain)


def _size(place: str, row: str, found: Scale, reading: str, plain: Scale | None = None) -> Iterator[AuditRow]:
    """Side and channels of maps; `plain` are those that the words of the paper mean, where `found` are others."""
    for quantity, value, other in (
        ("side", found.size[0], plain and plain.size[0]),
        ("channels", found.channels, plain and plain.channels),
    ):
        yield _count(place, row, quantity, value, reading, instead=other, otherwise=MISPRINT)


def _section_5_3() -> Iterator[AuditRow]:
    for name in (VGG, BN, RESIDUAL):
        (plain, total, reading), (with_plain, with_layer, _) = cell(name, 0), cell(name, 3)
        yield _count("section 5.3", name, "Params", total, reading, instead=plain)
        more, built = with_layer - total, with_plain - plain
        reading = f"table 10, the last row less the first; as built {built:,}"
        yield _count("section 5.3", name, "extra Params", more, reading, instead=built)
        extra, base = (figure("section 5.3", name, column) for column in ("extra Params", "Params"))
        of_base, of_sum, exact = 100 * extra / base, 100 * extra / (base + extra), 100 * more / Decimal(total)
        reading = f"{extra}M of the original's {base}M are {of_base:.3f}%, of both {of_sum:.3f}%; counted, {exact:.3f}%"
        value = of_sum if name == RESIDUAL else of_base
        yield _row("section 5.3", name, "extra Params share", more, f"{exact:.2f}%", reading, value, instead=exact)
    costs = {when: multiply_adds(frames) for when, frames in FRAMES.items()}
    shares = " and ".join(f"{100 * part / whole:.2f}% at K = {FRAMES[when]}" for when, (part, whole) in costs.items())
    reading = (
        "C W H are the weights of a scale; all K W H sources use each, so that eq. (2) and (4) take C K (W H)^2 "
        f"multiply-adds each. Counted: Inception-ResNet-V2, three scales, K = 3; the layer's share is {shares}"
    )
    cost = costs["training"][0]
    yield _row("section 5.3", "attention layer", "complexity", cost, "C K (W H)^2", reading, False, otherwise=MISPRINT)


def shown(scale: Scale) -> str:
    return f"{scale.size[0]} x {scale.size[1]} x {scale.channels}"


def figure(table: str, row: str, column: str) -> Decimal:
    return Decimal(printed_value("istpa", table, row, column))
