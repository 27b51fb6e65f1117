"""The protocols of the papers: jobs that exist, cells that the papers print, and the values that they print."""

from dataclasses import replace

import pytest
import torch

from videoattn.data.datasets import dataset_info
from videoattn.engine.experiment import module_of, studies
from videoattn.engine.loop import Shuffle
from videoattn.engine.parameters import check
from videoattn.engine.protocol import FILE, IMAGENET, SCRATCH, Start, protocol_of
from videoattn.papers import PAPERS, data_sets
from videoattn.papers.istpa.experiments import PROTOCOLS, VARIANTS, build, job
from videoattn.reporting.printed import lines, printed

STUDIES = [(paper, study) for paper in PAPERS for study in studies(paper)]
CASES = [
    pytest.param(paper, study, protocol, id=f"{paper}-{study}-{protocol.data_set}-{protocol.start}")
    for paper, study in STUDIES
    for protocol in module_of(paper, study).PROTOCOLS
]


def profile(paper, study, protocol):
    return replace(module_of(paper, study).PROFILES["paper"], **protocol.changes)


def rows(paper, study, own):
    """The names of the rows that a profile's jobs give."""
    found = module_of(paper, study).rows(own)
    return {row.name for row in found if {part[0] for part in row.parts} <= set(own.jobs)}


@pytest.mark.parametrize(("paper", "study", "protocol"), CASES)
def test_protocols_fill_what_is_printed(paper, study, protocol):
    own = profile(paper, study, protocol)
    assert set(own.jobs) <= set(module_of(paper, study).VARIANTS)
    assert protocol.data_set in data_sets(paper)
    assert protocol.start in (FILE, IMAGENET, SCRATCH) or protocol.start in data_sets(paper)
    given, kinds = rows(paper, study, own), (study,) if study else (protocol.data_set, "")
    missing = set()
    for cells in protocol.cells:
        assert set(cells.splits) <= set(dataset_info(protocol.data_set).splits)
        found = lines(paper, cells.table, columns=cells.columns, rows=cells.rows, kinds=kinds)
        missing |= {line.ours for line in found} - given
    assert missing <= ({"reinforced+flow+warped"} if study == "streams" else set())  # reinforced are ResNets alone


@pytest.mark.parametrize("paper", PAPERS)
def test_accuracies_are_compared_with_rows_that_there_are(paper):
    given = {}
    for study in studies(paper):
        own = module_of(paper, study)
        profiles = [*own.PROFILES.values(), *(profile(paper, study, protocol) for protocol in own.PROTOCOLS)]
        everything = (replace(one, jobs=tuple(own.VARIANTS)) for one in profiles)
        given[study] = set().union(*(rows(paper, study, one) for one in everything))
    compared = [r for r in printed(paper) if r["ours"]]
    assert len(compared) > 30
    for r in compared:
        assert (r["unit"], r["metric"] in ("top1", "top5", "map", "wap")) == ("%", True)
        assert 10 < float(r["value"]) < 100
        for kind, name in (item.rpartition(": ")[::2] for item in r["ours"].split("; ")):
            assert name in given[kind if kind in given else ""], (r["table"], r["row"], r["column"])
    assert not [r for r in printed(paper) if r["metric"] and not r["ours"]]


@pytest.mark.parametrize(("paper", "study"), STUDIES)
def test_one_protocol_for_each_data_set_and_start(paper, study):
    found = [(p.data_set, p.start) for p in module_of(paper, study).PROTOCOLS]
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
        "uniform.sampling": "tsn",
        "uniform.test_crops": 10,
        "dense.frames": 16,
    },
    ("rcca", "kinetics400", IMAGENET): {"recipe.accumulation": 4, "uniform.test_crops": 10, "crops": (1,)},
    ("cma", "kinetics400", IMAGENET): {
        "recipe.epochs": 30,
        "recipe.batch_size": 128,
        "recipe.lr": 0.01,
        "dropout": 0.7,
        "snippets.frames": 3,
        "snippets.test_frames": 25,
        "snippets.sampling": "tsn",
        "snippets.fields": 5,
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
        "clips.sampling": "tsn",
        "views": ((1, 2), (3, 2)),
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
        "clips.sampling": "tsn",
        "clips.test_crops": 10,
        "test_frames": 25,
        "dense.frames": 8,
        "dense.sampling": "tsm-dense",
        "dense.stride": 8,
        "dense.test_clips": 10,
        "dense.test_crops": 3,
    },
}


@pytest.mark.parametrize("case", PRINTED, ids="-".join)
def test_values_are_those_that_the_papers_print(case):
    paper, data_set, start = case
    found = [p for p in module_of(paper, "").PROTOCOLS if (p.data_set, p.start) == (data_set, start)]
    own = profile(paper, "", found[0])
    for name, value in PRINTED[case].items():
        item = own
        for field in name.split("."):
            item = getattr(item, field)
        assert item == pytest.approx(value) if isinstance(value, float) else item == value, name


@pytest.mark.parametrize(
    ("study", "data_set"),
    [("", "ucf101"), ("", "hmdb51"), ("", "charades"), ("", "cifar100"), ("streams", "ucf101"), ("streams", "hmdb51")],
)
def test_steps_of_pyramid_attention_as_epochs(study, data_set):
    """12,000 steps of 64 videos, the rate lowered every 4,000; of flow 30,000, lowered every 12,000."""
    own = profile("istpa", study, next(p for p in module_of("istpa", study).PROTOCOLS if p.data_set == data_set))
    videos = dataset_info(data_set).counts[1][0]
    each = len(Shuffle(round(0.9 * videos) if study else videos, 0, 64)) // 64
    wanted = {"recipe": (4000, 8000, 12000)}
    if study:
        wanted |= {"joint_recipe": (4000, 8000, 12000), "flow_recipe": (12000, 24000, 30000)}
    for name, steps in wanted.items():
        recipe = getattr(own, name)
        epochs = (*recipe.milestones, recipe.epochs)
        assert all(abs(n * each - count) <= each / 2 for n, count in zip(epochs, steps, strict=True))


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda own: f"{own.data_set}-{own.start}")
def test_pyramid_attention_takes_the_views_of_testing(protocol):
    own = profile("istpa", "", protocol)
    for name in set(own.jobs) & {"both-tsm", "bn-both", "both"}:
        clips = job(name, own, Start(protocol.start)).test
        side = clips.short_side if clips.test_crops == 3 else clips.size
        with torch.device("meta"):
            network, view = build(VARIANTS[name], own, classes=4), torch.empty(1, 3, clips.frames, side, side)
        assert network.eval()({"rgb": view})["rgb"].shape == (1, 4)


def test_a_start_without_a_protocol_takes_the_first():
    given = check("rcca", {"DATASET": "hmdb51", "DATA": "."}, data_sets("rcca"))
    assert protocol_of(given, Start(FILE), module_of("rcca").PROTOCOLS).start == IMAGENET
