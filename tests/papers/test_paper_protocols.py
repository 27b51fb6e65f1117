"""The protocols of the papers: jobs that exist, cells that the papers print, and the values that they print."""

import importlib
from dataclasses import replace

import pytest
import torch

from videoattn.data.datasets import dataset_info
from videoattn.engine.loop import Shuffle
from videoattn.engine.protocol import IMAGENET, SCRATCH, protocol_of
from videoattn.papers import PAPERS, data_sets, parts
from videoattn.papers.istpa import study as pyramid
from videoattn.papers.istpa.experiments import VARIANTS
from videoattn.reporting.printed import lines, printed

STUDIES = [(paper, part) for paper in PAPERS for part in parts(paper)]


def module(paper, part, name):
    return importlib.import_module(".".join(filter(None, ("videoattn.papers", paper, part, name))))


def cases():
    for paper, part in STUDIES:
        for protocol in module(paper, part, "protocols").PROTOCOLS:
            yield pytest.param(paper, part, protocol, id=f"{paper}-{part}-{protocol.data_set}-{protocol.start}")


def profile(paper, part, protocol):
    return replace(module(paper, part, "recipe").PAPER, **protocol.changes)


def rows(paper, part, own):
    """The names of the rows that a profile's jobs give."""
    comparison = module(paper, part, "comparison")
    if paper == "cma":
        found = comparison.ROWS
    elif part:
        found = comparison.rows(own)
    else:
        tested = {
            "rcca": lambda: tuple(comparison.crops_name(n) for n in own.crops),
            "aia": lambda: tuple(f"{crops}x{clips}" for crops, clips in own.protocols),
            "banet": lambda: own.shares,
            "istpa": lambda: tuple(comparison.frames_name(n) for n in own.tested),
        }
        found = comparison.rows(tested[paper]())
    return {row.name for row in found if {job for job, _, _ in row.parts} <= set(own.jobs)}


@pytest.mark.parametrize(("paper", "part", "protocol"), list(cases()))
def test_protocols_fill_what_is_printed(paper, part, protocol):
    own = profile(paper, part, protocol)
    assert set(own.jobs) <= set(module(paper, part, "recipe").VARIANTS)
    assert protocol.data_set in data_sets(paper)
    assert protocol.start in (IMAGENET, SCRATCH) or protocol.start in data_sets(paper)
    given, kinds = rows(paper, part, own), (part,) if part else (protocol.data_set, "")
    missing = set()
    for cells in protocol.cells:
        assert set(cells.splits) <= set(dataset_info(protocol.data_set).splits)
        found = lines(paper, cells.table, columns=cells.columns, rows=cells.rows, kinds=kinds)
        missing |= {line.ours for line in found} - given
    assert missing <= ({"reinforced+flow+warped"} if part == "streams" else set())  # reinforced are ResNets alone


@pytest.mark.parametrize("paper", PAPERS)
def test_accuracies_are_compared_with_rows_that_there_are(paper):
    given = {}
    for part in parts(paper):
        recipe, own = module(paper, part, "recipe"), module(paper, part, "protocols").PROTOCOLS
        profiles = [*recipe.PROFILES.values(), *(profile(paper, part, protocol) for protocol in own)]
        everything = (replace(one, jobs=tuple(recipe.VARIANTS)) for one in profiles)
        given[part] = set().union(*(rows(paper, part, one) for one in everything))
    compared = [r for r in printed(paper) if r["ours"]]
    assert len(compared) > 30
    for r in compared:
        assert (r["unit"], r["metric"] in ("top1", "top5", "map", "wap")) == ("%", True)
        assert 10 < float(r["value"]) < 100
        for kind, name in (item.rpartition(": ")[::2] for item in r["ours"].split("; ")):
            assert name in given[kind if kind in given else ""], (r["table"], r["row"], r["column"])
    assert not [r for r in printed(paper) if r["metric"] and not r["ours"]]


@pytest.mark.parametrize(("paper", "part"), STUDIES)
def test_one_protocol_for_each_data_set_and_start(paper, part):
    found = [(p.data_set, p.start) for p in module(paper, part, "protocols").PROTOCOLS]
    assert len(set(found)) == len(found)


# (paper, data set, start) -> values of the profile, as the papers print them
PRINTED = {
    ("rcca", "hmdb51", IMAGENET): {
        "recipe.epochs": 100,
        "recipe.batch_size": 128,
        "recipe.accumulation": 8,
        "recipe.lr": 0.02,
        "recipe.weight_decay": 5e-4,
        "recipe.schedule": "steps 40 80",
        "recipe.momentum": 0.9,
        "dense_recipe.epochs": 120,
        "dense_recipe.lr": 0.05,
        "dense_recipe.weight_decay": 1e-4,
        "dense_recipe.schedule": "steps 60 90 110",
        "uniform.frames": 8,
        "uniform.test_crops": 10,
        "dense.frames": 16,
    },
    ("rcca", "kinetics400", IMAGENET): {"recipe.accumulation": 4, "uniform.test_crops": 10, "crops": (1,)},
    ("cma", "kinetics400", IMAGENET): {
        "recipe.epochs": 30,
        "recipe.batch_size": 128,
        "recipe.lr": 0.01,
        "dropout": 0.7,
        "snippets.segments": 3,
        "snippets.test_segments": 25,
        "snippets.length": 5,
        "snippets.test_crops": 10,
        "snippets.size": 224,
        "flow": "tvl1",
    },
    ("aia", "something_v1", IMAGENET): {
        "recipe.epochs": 50,
        "recipe.batch_size": 32,
        "recipe.lr": 0.01,
        "recipe.schedule": "steps 20 40",
        "clips.short_side": 240,
        "clips.aspect": 4 / 3,
        "clips.size": 224,
        "protocols": ((1, 2), (3, 2)),
    },
    ("aia", "diving48", IMAGENET): {"clips.short_side": 256, "clips.aspect": None, "clips.test_crops": 1},
    ("banet", "ucf101", "kinetics400"): {
        "recipe.epochs": 90,
        "recipe.batch_size": 16,
        "recipe.lr": 0.001,
        "recipe.weight_decay": 5e-4,
        "recipe.optimizer": "nesterov",
        "clips.short_side": 240,
        "clips.aspect": 4 / 3,
        "keep": 0.5,
    },
    ("istpa", "kinetics400", IMAGENET): {
        "backbone": "resnet",
        "recipe.epochs": 100,
        "recipe.lr": 0.01,
        "recipe.schedule": "steps 40 80",
        "recipe.batch_size": 64,
        "clips.frames": 8,
        "clips.test_crops": 10,
        "test_frames": 25,
        "dense.frames": 8,
        "dense.stride": 8,
        "dense.test_clips": 10,
        "dense.test_crops": 3,
    },
}


@pytest.mark.parametrize("case", PRINTED, ids="-".join)
def test_values_are_those_that_the_papers_print(case):
    paper, data_set, start = case
    found = [p for p in module(paper, "", "protocols").PROTOCOLS if (p.data_set, p.start) == (data_set, start)]
    own = profile(paper, "", found[0])
    for name, value in PRINTED[case].items():
        item = own
        for part in name.split("."):
            item = getattr(item, part)
        assert item == pytest.approx(value) if isinstance(value, float) else item == value, name


@pytest.mark.parametrize(
    ("part", "data_set"),
    [("", "ucf101"), ("", "hmdb51"), ("", "charades"), ("", "cifar100"), ("streams", "ucf101"), ("streams", "hmdb51")],
)
def test_steps_of_pyramid_attention_as_epochs(part, data_set):
    """12,000 steps of 64 videos, the rate lowered every 4,000; of flow 30,000, lowered every 12,000."""
    own = profile(
        "istpa", part, next(p for p in module("istpa", part, "protocols").PROTOCOLS if p.data_set == data_set)
    )
    videos = dataset_info(data_set).counts[1][0]
    each = len(Shuffle(round(0.9 * videos) if part else videos, 0, 64)) // 64
    wanted = {"recipe": (4000, 8000, 12000)}
    if part:
        wanted |= {"joint_recipe": (4000, 8000, 12000), "flow_recipe": (12000, 24000, 30000)}
    for name, steps in wanted.items():
        recipe = getattr(own, name)
        epochs = (*recipe.milestones, recipe.epochs)
        assert all(abs(n * each - count) <= each / 2 for n, count in zip(epochs, steps, strict=True))


@pytest.mark.parametrize(
    "protocol", module("istpa", "", "protocols").PROTOCOLS, ids=lambda p: f"{p.data_set}-{p.start}"
)
def test_pyramid_attention_takes_the_views_of_testing(protocol):
    own = profile("istpa", "", protocol)
    for job in set(own.jobs) & {"both-tsm", "bn-both", "both"}:
        clips = pyramid.taken(pyramid.TEST, VARIANTS[job], own)
        side = clips.short_side if clips.test_crops == 3 else clips.size
        with torch.device("meta"):
            network, view = pyramid.build(VARIANTS[job], own, classes=4), torch.empty(1, 3, clips.frames, side, side)
        assert network.eval()({"rgb": view})["rgb"].shape == (1, 4)


def test_a_start_without_a_protocol_takes_the_first():
    protocols = module("rcca", "", "protocols").PROTOCOLS
    from videoattn.engine.parameters import check
    from videoattn.engine.protocol import Start

    given = check("rcca", {"DATASET": "hmdb51", "DATA": "."}, data_sets("rcca"))
    assert protocol_of(given, Start("file"), protocols).start == IMAGENET
