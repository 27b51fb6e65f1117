"""Claims of a paper, and what the published record says of them, in one of five words.

A comparison of two rows is decided by the 95% interval of the difference of their accuracies
(`videoattn.evaluation.intervals`) and by a paired test over seeds, with a margin that is named with the claim. Where
both rows are near 100, or both at chance, or the seeds are few, the probe cannot tell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from videoattn.engine.record import Record
from videoattn.errors import unknown
from videoattn.evaluation.intervals import (
    LEVEL,
    Interval,
    accuracy_interval,
    difference_interval,
    paired_interval,
    paired_p,
)
from videoattn.evaluation.ranking import order_p
from videoattn.reporting.printed import Line
from videoattn.reporting.tables import NOT_RUN, mean, order, shown

HOLDS = "holds"
FAILS = "does not hold"
SAME = "no difference beyond the margin"
OPEN = "cannot tell here"
WORDS = (HOLDS, FAILS, SAME, OPEN, NOT_RUN)

MARGIN = 0.05  # of top-1, where a claim names no other
CEILING = 0.97  # a comparison of two rows above it says nothing
LEAST_SEEDS = 5  # with fewer, signs alone cannot reach 5%


@dataclass(frozen=True)
class Verdict:
    """One of `WORDS`, with what it rests on, and why it is not another: a margin, or what the probe lacks."""

    word: str
    said: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if self.word not in WORDS:
            raise unknown("word of a verdict", self.word, WORDS)

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.word}{reason}{': ' if self.said else ''}{self.said}"


UNKNOWN = Verdict(NOT_RUN)


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper. `where`: its place there; `section`: of the notebook; `verdict`: here."""

    claim: str
    where: str
    section: str
    verdict: Verdict


class Comparison(NamedTuple):
    """Two rows with the same seeds, in the same order: their values, the tested videos, what guessing reaches, if that
    is known, which of the rows were still learning when training ended, with half of the seeds or more, and whether the
    same trainings completed both."""

    ours: list[float]
    theirs: list[float]
    videos: int
    chance: float | None = None
    learning: tuple[str, ...] = ()
    same: bool = False

    @property
    def interval(self) -> Interval:
        """Of the difference of the means."""
        rule = paired_interval if self.same else difference_interval
        return rule(self.ours, self.theirs, self.videos)

    @property
    def gain(self) -> float:
        """The difference of the means."""
        return mean(self.ours) - mean(self.theirs)

    def __str__(self) -> str:
        ahead = sum(a > b for a, b in zip(self.ours, self.theirs, strict=True))
        return f"{shown(self.gain, self.interval, signed=True)} points, ahead in {ahead} of {len(self.ours)} seeds"


def compared(record: Record | None, row: str, baseline: str, metric: str = "top1") -> Comparison | None:
    """Two rows of a record, by the seeds that both were run with; None where there is no such seed."""
    seeds = set(record.seeds(row)) & set(record.seeds(baseline)) if record else set()
    if not seeds:
        return None
    videos = record.videos(row)
    chance = record.chance(row) if metric == "top1" else None
    learning = tuple(name for name in (row, baseline) if 2 * len(record.learning(name)) >= len(record.seeds(name)))
    ours, theirs = (record.values(name, metric, seeds=seeds) for name in (row, baseline))
    same = record.trained(row) == record.trained(baseline)
    return Comparison(ours, theirs, videos, chance, learning, same)


def judged(record: Record | None, row: str, baseline: str, *, margin: float = MARGIN, metric: str = "top1") -> Verdict:
    """Whether `row` is better than `baseline`."""
    return decided(compared(record, row, baseline, metric), margin=margin)


def decided(found: Comparison | None, *, margin: float = MARGIN) -> Verdict:
    """Whether the first row of a comparison is better."""
    return _decided(found, _better, margin)


def equal(record: Record | None, row: str, baseline: str, *, margin: float = MARGIN) -> Verdict:
    """Whether two rows are as good as each other, to within the margin; a missing difference is not enough."""
    return _decided(compared(record, row, baseline), _alike, margin)


def not_worse(record: Record | None, row: str, baseline: str, *, margin: float = MARGIN) -> Verdict:
    """Whether `row` is at least as good as `baseline`, to within the margin."""
    return _decided(compared(record, row, baseline), _at_least, margin)


def above(record: Record | None, row: str, bound: float, *, margin: float = MARGIN) -> Verdict:
    """Whether a row is above a bound, such as what guessing reaches."""
    values = record.values(row) if record else []
    if not values:
        return UNKNOWN
    interval = accuracy_interval(values, record.videos(row))
    said = f"{shown(mean(values), interval)}% against {100 * bound:g}%"
    few = _few(len(values))
    if few:
        return Verdict(OPEN, said, few)
    if interval.low > bound:
        return Verdict(HOLDS, said)
    if interval.high < bound:
        return Verdict(FAILS, said)
    if bound - margin < interval.low and interval.high < bound + margin:
        return Verdict(SAME, said, _margin(margin))
    return Verdict(OPEN, said, "the interval is too wide")


def together(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Several verdicts on one claim, by what each is about.

    The claim does not hold where one of them does not, and holds where all that were run do.
    """
    found = {name: verdict for name, verdict in verdicts.items() if verdict.word != NOT_RUN}
    if not found:
        return UNKNOWN
    kinds = {(verdict.word, verdict.reason) for verdict in found.values()}
    words = [word for word, _ in kinds]
    word = next(word for word in (FAILS, SAME, OPEN, HOLDS) if word in words)
    alike = len(kinds) == 1
    parts = [f"{name}: {verdict.said if alike else verdict}" for name, verdict in found.items()]
    missing = [name for name in verdicts if name not in found]
    parts += [f"not run: {', '.join(missing)}"] if missing else []
    return Verdict(word, "; ".join(parts), kinds.pop()[1] if alike else "")


def all_judged(record: Record | None, pairs: Mapping[str, tuple[str, str]]) -> Verdict:
    """Several pairs of a row and its baseline, by name, `judged` together."""
    return together({name: judged(record, *pair) for name, pair in pairs.items()})


def ordered(record: Record | None, lines: Sequence[Line]) -> Verdict:
    """Whether the order of a table's lines is the one in the record, by Kendall's tau and its exact distribution."""
    rows = order(record, lines) if record else None
    if rows is None:
        return UNKNOWN
    means = [mean(values) for values in rows]
    tau, p, opposite = order_p([float(line.value) for line in lines], means)
    said = f"Kendall's tau of {len(lines)} rows {tau:.2f}, p = {min(p, opposite):.2g}"
    few = _few(min(map(len, rows)))
    if few or min(means) > CEILING:
        return Verdict(OPEN, said, few or _ceiling())
    if min(p, opposite) > 1 - LEVEL:
        return Verdict(OPEN, said)
    return Verdict(HOLDS if p < opposite else FAILS, said)


Rule = Callable[[Comparison, float], str | None]


def _decided(found: Comparison | None, rule: Rule, margin: float) -> Verdict:
    """The word of a rule on a comparison, or why there is none."""
    if found is None:
        return UNKNOWN
    reason = _few(len(found.ours)) or _unfinished(found)
    if reason:
        return Verdict(OPEN, str(found), reason)
    word = rule(found, margin)
    if word in (HOLDS, FAILS) and rule is _better:
        return Verdict(word, str(found))
    reason = _blind(found)
    if reason:
        return Verdict(OPEN, str(found), reason)
    if word is None:
        return Verdict(OPEN, str(found), f"the interval is too wide for {_margin(margin)}")
    return Verdict(word, str(found), _margin(margin))


def _better(found: Comparison, margin: float) -> str | None:
    low, high = found.interval
    if low > 0 and paired_p(found.ours, found.theirs) < 1 - LEVEL:
        return HOLDS
    if high < 0 and paired_p(found.theirs, found.ours) < 1 - LEVEL:
        return FAILS
    return SAME if -margin < low and high < margin else None


def _alike(found: Comparison, margin: float) -> str | None:
    low, high = found.interval
    if -margin < low and high < margin:
        return HOLDS
    return FAILS if low > margin or high < -margin else None


def _at_least(found: Comparison, margin: float) -> str | None:
    low, high = found.interval
    if low > -margin:
        return HOLDS
    return FAILS if high < -margin else None


def _blind(found: Comparison) -> str:
    """Why the probe cannot tell two rows apart, if so."""
    if min(mean(found.ours), mean(found.theirs)) > CEILING:
        return _ceiling()
    intervals = [accuracy_interval(row, found.videos) for row in (found.ours, found.theirs)]
    if found.chance is not None and all(low <= found.chance <= high for low, high in intervals):
        return f"both rows are at chance, {100 * found.chance:.0f}%"
    return ""


def _ceiling() -> str:
    return f"all rows are above {100 * CEILING:.0f}%"


def _unfinished(found: Comparison) -> str:
    return f"still learning when training ended: {' and '.join(found.learning)}" if found.learning else ""


def _few(seeds: int) -> str:
    return f"{seeds} seeds, where {LEAST_SEEDS} are the least" if seeds < LEAST_SEEDS else ""


def _margin(margin: float) -> str:
    return f"a margin of {100 * margin:g} points"
