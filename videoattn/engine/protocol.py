"""The papers' protocols on real data sets: what changes with the data set and with what networks start from.

A paper's `protocols.py` holds its own, as PROTOCOLS.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from videoattn.engine.parameters import PROBE, Parameters
from videoattn.engine.record import Record, read
from videoattn.errors import InputError, RunError, unknown
from videoattn.weights.sources import NAMED

SCRATCH, IMAGENET, FILE = "scratch", "imagenet", "file"
SCRATCHED = (SCRATCH, IMAGENET)  # starts that need no run of another data set


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Cells of one of the paper's tables that a protocol fills.

    columns, rows: of the table, as in the paper's `printed.csv`, which names a row of the results for each value; all
    that have one where left out. splits: the official split of the table, or those of which it gives the mean.
    """

    table: str
    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    splits: tuple[int, ...] = (1,)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a paper trains and tests on one data set.

    start: from what: "scratch", "imagenet", or the data set of the run whose networks are fine-tuned. where: in the
    paper. changes: of the profile `paper`, each value with its source beside it. cells: of the paper's tables. departs:
    in what it cannot be the paper's, or what says so of a record; such results are not set beside the paper's.
    """

    data_set: str
    start: str
    where: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    cells: tuple[Cells, ...] = ()
    departs: str | Callable[[Record], str] = ""


@dataclass(frozen=True)
class Start:
    """What the networks of a study start from.

    name: as in `Protocol`, or "file" for a checkpoint of which nothing else is known. path: the run's folder or the
    file. digest: of the run's plan, or of what is in the file. source: whose file it is, where INIT says so. second: of
    two files the second; the digest is then of both.
    """

    name: str
    path: Path | None = None
    digest: str = ""
    source: str = ""
    second: Path | None = None

    @property
    def pretrained(self) -> bool:
        """Whether ImageNet weights are asked for."""
        return self.name == IMAGENET

    def plan(self) -> dict:
        """What a study's plan says of it: nothing but "pretrained" where it is not a run or a file."""
        init = {"name": self.name, "of": self.digest} | ({"source": self.source} if self.source else {})
        init |= {"files": 2} if self.second else {}
        return {"pretrained": self.pretrained} | ({"init": init} if self.path else {})


FROM_SCRATCH = Start(SCRATCH)


def started_from(plan: Mapping[str, Any]) -> str:
    """The name of what a record's networks started from, by its plan."""
    return plan.get("init", {}).get("name") or (IMAGENET if plan["pretrained"] else SCRATCH)


def start_of(parameters: Parameters, protocols: Sequence[Protocol], study: str = "") -> Start | None:
    """What the parameters say, or, in the profile `paper`, what the first protocol of the data set asks for.

    None for a study that is not the paper's first where INIT is a file, or a run of another study.

    Raises:
        InputError: INIT holds no complete run of the paper's first study, stands beside PRETRAINED, or names a source
            that is not known, or one for a run; or the protocol asks for a run and none is named.
    """
    if parameters.init:
        if parameters.pretrained == "true":
            raise InputError(
                f"INIT is {str(parameters.init)!r} and PRETRAINED is 'true': networks start from one of them"
            )
        if study and not (parameters.init.is_dir() and read(parameters.init).study == study):
            return None
        if parameters.init_second:
            return _from_two(parameters)
        start = _from(parameters.init, parameters.paper, study)
        return replace(start, source=_checked(parameters.init_source, start)) if parameters.init_source else start
    if parameters.pretrained != "auto":
        return Start(IMAGENET if parameters.pretrained == "true" else SCRATCH)
    own = [protocol for protocol in protocols if protocol.data_set == parameters.dataset]
    if parameters.profile != "paper" or not own:
        return FROM_SCRATCH
    if own[0].start not in SCRATCHED:
        raise InputError(
            f"on {parameters.dataset} {parameters.paper} fine-tunes networks that were trained on {own[0].start} "
            f"({own[0].where}): give INIT=<folder of that run>, or PRETRAINED=true or false to train its networks here"
        )
    return Start(own[0].start)


def protocol_of(parameters: Parameters, start: Start, protocols: Sequence[Protocol]) -> Protocol | None:
    """The protocol of the data set from that start; the first of the data set where none is; None without any."""
    own = [protocol for protocol in protocols if protocol.data_set == parameters.dataset]
    return next((protocol for protocol in own if protocol.start == start.name), own[0] if own else None)


def _from_two(parameters: Parameters) -> Start:
    """Of two files; raises `InputError` where one is none, or a source is named, which is that of neither."""
    paths = parameters.init, parameters.init_second
    for path in paths:
        if not path.is_file():
            raise InputError(f"INIT names two files, but {path} is a folder; a run is named alone")
    if parameters.init_source:
        raise InputError(f"INIT names two files and the source {parameters.init_source!r}; of two the names must tell")
    both = hashlib.sha256("".join(map(_sha256, paths)).encode()).hexdigest()
    return Start(FILE, paths[0], both[:10], second=paths[1])


def _checked(source: str, start: Start) -> str:
    if start.name != FILE:
        raise InputError(f"INIT names the source {source!r} behind a colon; it is for files, and {start.path} is a run")
    if source not in NAMED:
        raise unknown("source of INIT", source, NAMED)
    return source


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from(path: Path, paper: str, study: str) -> Start:
    if path.is_file():
        return Start(FILE, path, _sha256(path)[:10])
    try:
        record: Record = read(path)
    except RunError as error:
        raise InputError(
            f"INIT is {str(path)!r}: the folder of a run or a checkpoint file is expected; {error}"
        ) from None
    found, expected = ("/".join(filter(None, names)) for names in ((record.paper, record.study), (paper, study)))
    if found != expected:
        raise InputError(f"INIT is {str(path)!r}: a run of {found}; one of {expected} is expected")
    if not record.complete:
        raise InputError(f"INIT is {str(path)!r}: that run is not complete; its own command goes on with it")
    return Start(record.parameters.get("DATASET", PROBE), path, record.digest)
