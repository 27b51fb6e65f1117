"""The parameters of every notebook: their names, defaults and good values, and the check that refuses the rest.

The same for all papers. `make reproduce`, papermill and a reader in JupyterLab set them; `check` turns what they
set into `Parameters` or says what would be right. Only the standard library is needed here, so that a wrong value
is refused before anything is installed.
"""

import ast
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from videoattn.errors import InputError, unknown

PROBE = "probe"


@dataclass(frozen=True)
class Parameter:
    """One parameter. Its type is its default's; `choices`, or `bounds` with both ends included, limit its value."""

    name: str
    default: str | int | bool
    help: str
    choices: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None
    runtime: bool = False  # whether it says how a study runs on one machine, without effect on the results


PARAMETERS = (
    Parameter(
        "PROFILE",
        "check",
        "check (seconds), quick (minutes), full (every row), paper (its protocol), auto (full or quick)",
        choices=("check", "quick", "full", "paper", "auto"),
    ),
    Parameter("DATASET", PROBE, "probe (generated clips), or a data set of the paper, which lies in DATA"),
    Parameter("DATA", "", "the folder of the data set"),
    Parameter("SPLIT", 1, "which official split of the data set, 1 to 3", bounds=(1, 3)),
    Parameter("SEEDS", 0, "how many seeds, 1 to 20; 0: as many as the profile says", bounds=(0, 20)),
    Parameter(
        "FIRST_SEED",
        0,
        "the first of the seeds; from 100 on they are for tuning, on a probe of their own",
        bounds=(0, 9999),
    ),
    Parameter(
        "FLOW",
        "auto",
        "optical flow: tvl1, dis, none (RGB alone), or auto (as the profile says)",
        choices=("auto", "tvl1", "dis", "none"),
    ),
    Parameter("JOBS", "", "the trainings to run, by name, with commas between them; empty: all of the profile"),
    Parameter(
        "PRETRAINED",
        "auto",
        "start from ImageNet weights: true, false, or auto (as the protocol says; false in other profiles)",
        choices=("auto", "true", "false"),
    ),
    Parameter("INIT", "", "start from the networks of a run (its folder) or from a checkpoint (a file)"),
    Parameter("BACKBONE", "", "the network that the paper's blocks go into, by its name in timm; empty: the paper's"),
    Parameter(
        "STEPS",
        0,
        "dry run: end each training after so many steps, each test after as many videos; 0: never",
        bounds=(0, 1000),
    ),
    Parameter("PARALLEL", -1, "trainings at a time; -1: as fits the machine", bounds=(-1, 64), runtime=True),
    Parameter(
        "WORKERS",
        -1,
        "processes that load clips for a training; -1: as fits the machine",
        bounds=(-1, 128),
        runtime=True,
    ),
    Parameter(
        "TEST_BATCH", -1, "videos at a time in testing; -1: as fits the machine", bounds=(-1, 1024), runtime=True
    ),
    Parameter(
        "ACCUMULATION",
        -1,
        "equal batches that make up one step, against want of memory; -1: as the recipe says",
        bounds=(-1, 1024),
        runtime=True,
    ),
    Parameter("ALLOW_MISSING", False, "go on without listed videos that are missing"),
    Parameter("RUNS", "", "the folder of the records; empty: runs/ of the checkout"),
)
NAMES = tuple(parameter.name for parameter in PARAMETERS)
RUNTIME = tuple(parameter.name for parameter in PARAMETERS if parameter.runtime)
RENAMED = {"cpu": "quick", "gpu": "full"}  # profiles of earlier versions, which said where instead of how much


@dataclass(frozen=True)
class Parameters:
    """The checked parameters of one run of a paper's notebook. Paths are absolute, None where empty.

    init_source: what INIT says of its file behind a colon, as in INIT=net.pth:tsn. init_second: its second file, as in
    INIT=bn_inception.pth,resnet18_3d.pth.
    """

    paper: str
    profile: str
    dataset: str
    data: Path | None
    split: int
    seeds: int
    first_seed: int
    flow: str
    jobs: tuple[str, ...]
    pretrained: str
    init: Path | None
    backbone: str
    steps: int
    parallel: int
    workers: int
    test_batch: int
    accumulation: int
    allow_missing: bool
    runs: Path | None
    init_source: str = ""
    init_second: Path | None = None

    def resolved(self) -> "Parameters":
        """The same with the profile `auto` replaced: `full` where there is CUDA, else `quick`."""
        if self.profile != "auto":
            return self
        import torch

        return replace(self, profile="full" if torch.cuda.is_available() else "quick")

    def changed(self) -> dict[str, str | int | bool]:
        """The values that differ from the notebook's defaults, by name, as papermill takes them."""
        values = {parameter.name: getattr(self, parameter.name.lower()) for parameter in PARAMETERS}
        for name in ("DATA", "INIT", "RUNS"):
            values[name] = str(values[name] or "")
        values["INIT"] += f",{self.init_second}" if self.init_second else ""
        values["INIT"] += f":{self.init_source}" if self.init_source else ""
        values["JOBS"] = ",".join(self.jobs)
        return {
            parameter.name: values[parameter.name]
            for parameter in PARAMETERS
            if values[parameter.name] != parameter.default
        }


def parameters_cell() -> str:
    """The source of the notebooks' cell that is tagged `parameters`."""
    values = [f'"{p.default}"' if isinstance(p.default, str) else str(p.default) for p in PARAMETERS]
    return "\n".join(f"{p.name} = {value}  # {p.help}" for p, value in zip(PARAMETERS, values, strict=True))


def check(paper: str, values: Mapping[str, object], data_sets: Sequence[str]) -> Parameters:
    """Check the values that were given, by name; what is not given keeps its default.

    Values may be texts, as make and papermill's `-r` pass them: an integer in decimal digits; true, false, 1 or 0 in
    any case. `data_sets` names the paper's data sets besides the probe. Relative paths count from the current folder.

    Raises:
        InputError: a name or a value is wrong, or would be ignored; the message lists what would be right.
    """
    for name in values:
        if name not in NAMES:
            raise unknown("parameter", name, NAMES)
    if values.get("PROFILE") in RENAMED:
        old, new = values["PROFILE"], RENAMED[values["PROFILE"]]
        raise InputError(f"PROFILE is {old!r}, which is called {new!r} now: it says how much is run, on any device")
    value = {p.name: _value(p, values.get(p.name, p.default)) for p in PARAMETERS}
    for name in ("PARALLEL", "TEST_BATCH", "ACCUMULATION"):
        if value[name] == 0:
            raise InputError(f"{name} is 0; choose 1 or more, or -1")
    if value["DATASET"] not in (PROBE, *data_sets):
        raise unknown(f"DATASET of {paper}", value["DATASET"], (PROBE, *data_sets))
    if value["DATASET"] == PROBE:
        for p in PARAMETERS:
            if p.name in ("DATA", "SPLIT", "ALLOW_MISSING") and value[p.name] != p.default:
                raise InputError(
                    f"{p.name} is {value[p.name]!r}, but the probe has none: set DATASET too; "
                    f"choose from {', '.join(data_sets)}"
                )
    elif not value["DATA"]:
        raise InputError(f"DATASET is {value['DATASET']!r}, but DATA is empty: set DATA to the folder that holds it")
    else:
        _check_split(value["SPLIT"], value["DATASET"])
    (init, *second), source = split_init(value["INIT"])
    return Parameters(
        paper=paper,
        profile=value["PROFILE"],
        dataset=value["DATASET"],
        data=_folder("DATA", value["DATA"], must_exist=True),
        split=value["SPLIT"],
        seeds=value["SEEDS"],
        first_seed=value["FIRST_SEED"],
        flow=value["FLOW"],
        jobs=tuple(filter(None, (name.strip() for name in value["JOBS"].split(",")))),
        pretrained=value["PRETRAINED"],
        init=_path("INIT", init),
        init_source=source,
        init_second=_path("INIT", second[0]) if second else None,
        backbone=value["BACKBONE"].strip(),
        steps=value["STEPS"],
        **{name.lower(): value[name] for name in RUNTIME},
        allow_missing=value["ALLOW_MISSING"],
        runs=_folder("RUNS", value["RUNS"], must_exist=False),
    )


def split_init(init: str) -> tuple[tuple[str, ...], str]:
    """INIT as its path, or two with a comma between them, and what stands behind its last colon.

    A colon or a comma in a path that exists is part of it.
    """
    path, colon, source = init.rpartition(":")
    if not colon or not re.fullmatch(r"[\w-]*", source) or os.path.exists(os.path.expanduser(init)):
        path, source = init, ""
    whole = os.path.exists(os.path.expanduser(path))
    return (path,) if whole else tuple(path.split(",", 1)), source


def check_notebook(paper: str, namespace: Mapping[str, object], data_sets: Sequence[str]) -> Parameters:
    """Check the parameters of the notebook whose `globals()` are given; raises InputError as `check` does.

    papermill writes what it was given into a cell after the parameters, and only warns of a name that is none of them.
    IPython's history holds that cell, so that such a name is found and refused here.
    """
    names = (*NAMES, *_injected(namespace.get("In", ())))
    return check(paper, {name: namespace[name] for name in names if name in namespace}, data_sets)


def _injected(history: Sequence[str]) -> list[str]:
    """The names that the last of papermill's cells in IPython's history assigns."""
    cells = [source for source in history if source.startswith("# Parameters\n")]
    targets = [node.targets[0] for node in ast.parse(cells[-1]).body if isinstance(node, ast.Assign)] if cells else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _check_split(split: int, data_set: str) -> None:
    """Raise `InputError` where the data set has no such split. All have a first."""
    if split == 1:
        return
    try:
        from videoattn.data.datasets import dataset_info

        there = dataset_info(data_set).splits
    except ModuleNotFoundError:
        return  # nothing is installed yet and the data set's reader needs it: refused when it is
    if split not in there:
        has = "splits" if len(there) > 1 else "a single split,"
        raise InputError(f"SPLIT is {split}, but {data_set} has {has} {', '.join(map(str, there))}")


def _value(parameter: Parameter, value: object) -> str | int | bool:
    """The value in the parameter's type and within its limits."""
    if isinstance(parameter.default, bool):
        good, found = "true, false, 1, 0", _boolean(value)
    elif isinstance(parameter.default, int):
        low, high = parameter.bounds
        number = _integer(value)
        good, found = f"{low} to {high}", number if number is not None and low <= number <= high else None
    elif {"true", "false"} <= set(parameter.choices):
        text = {True: "true", False: "false"}.get(_boolean(value), value)
        good, found = f"{', '.join(parameter.choices)}, 1, 0", text if text in parameter.choices else None
    elif parameter.choices:
        good, found = ", ".join(parameter.choices), value if value in parameter.choices else None
    else:
        good, found = "a text (papermill: -r, which keeps digits as text)", value if isinstance(value, str) else None
    if found is None:
        raise InputError(f"{parameter.name} is {value!r}; expected: {good}")
    return found


def _boolean(value: object) -> bool | None:
    if isinstance(value, bool | int | str):
        return {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())
    return None


def _integer(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,9}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _folder(name: str, value: str, *, must_exist: bool) -> Path | None:
    """The absolute path of a folder, or None where the value is empty."""
    path = _path(name, value, must_exist=must_exist)
    if path and os.path.exists(path) and not os.path.isdir(path):
        raise InputError(f"{name} is {value!r}: {path} is no folder")
    return path


def _path(name: str, value: str, *, must_exist: bool = True) -> Path | None:
    """The absolute path of a file or folder, or None where the value is empty."""
    if not value:
        return None
    path = Path(os.path.realpath(os.path.expanduser(value)))  # unlike Path, leaves an unknown ~user as it is
    if must_exist and not os.path.exists(path):
        raise InputError(f"{name} is {value!r}: {path} does not exist")
    return path
