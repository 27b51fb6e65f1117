"""Verdicts on claims: which of the five words what the seeds gave allows."""

from dataclasses import replace

import pytest
from example import record

from videoattn.errors import InputError
from videoattn.evaluation.intervals import paired_interval
from videoattn.reporting.claims import (
    FAILS,
    HOLDS,
    OPEN,
    SAME,
    UNKNOWN,
    Verdict,
    above,
    all_judged,
    compared,
    equal,
    judged,
    not_worse,
    ordered,
    together,
)
from videoattn.reporting.printed import lines


def seeds(values):
    return dict(enumerate(values))


def rows(ours, theirs):
    """A record of two rows, in which guessing reaches a half."""
    return record({"a": seeds(ours), "b": seeds(theirs)})


HALF, LOW, HIGH = [0.5, 0.51, 0.49, 0.5, 0.5] * 2, [0.7, 0.71, 0.69, 0.7, 0.7] * 2, [0.9, 0.91, 0.9, 0.92, 0.89] * 2


@pytest.mark.parametrize(
    ("ours", "theirs", "word", "reason"),
    [
        (HIGH, LOW, HOLDS, ""),
        (LOW, HIGH, FAILS, ""),
        (LOW, LOW, SAME, "a margin of 5 points"),
        (HALF, HALF, OPEN, "both rows are at chance, 50%"),
        ([1.0] * 10, [0.99] * 10, OPEN, "all rows are above 97%"),
        ([0.9, 0.5] * 5, [0.5, 0.9] * 5, OPEN, "the interval is too wide for a margin of 5 points"),
        (HIGH[:4], LOW[:4], OPEN, "4 seeds, where 5 are the least"),
        ([0.71] * 10, [0.7] * 10, SAME, "a margin of 5 points"),  # ahead in all seeds, by less than the videos can tell
    ],
)
def test_that_a_row_is_better(ours, theirs, word, reason):
    found = judged(rows(ours, theirs), "a", "b")
    assert (found.word, found.reason) == (word, reason)
    gain = 100 * (sum(ours) / len(ours) - sum(theirs) / len(theirs)) + 0.0
    assert found.said.startswith(f"{gain:+.1f} [".replace("-0.0", "+0.0"))
    ahead = sum(a > b for a, b in zip(ours, theirs, strict=True))
    assert found.said.endswith(f"points, ahead in {ahead} of {len(ours)} seeds")


def test_a_difference_that_pairs_do_not_share_does_not_hold_by_its_interval_alone():
    """The mean difference is that of one seed."""
    ours, theirs = [0.50] * 4 + [0.95], [0.50] * 5
    assert judged(rows(ours, theirs), "a", "b").word == OPEN
    ours, theirs = [0.95, 0.94, 0.95, 0.96, 0.85], [0.6, 0.61, 0.6, 0.6, 0.851]  # signs: 2 of 32 are as good
    assert compared(rows(ours, theirs), "a", "b").interval.low > 0
    assert judged(rows(ours, theirs), "a", "b").word == OPEN


@pytest.mark.parametrize(
    ("ours", "theirs", "word"),
    [(LOW, LOW, HOLDS), (HIGH, LOW, FAILS), (LOW, HIGH, FAILS), (HALF, HALF, OPEN), ([0.9, 0.6] * 3, [0.7] * 6, OPEN)],
)
def test_that_rows_are_as_good_as_each_other(ours, theirs, word):
    assert equal(rows(ours, theirs), "a", "b").word == word


@pytest.mark.parametrize(
    ("ours", "theirs", "word"), [(HIGH, LOW, HOLDS), (LOW, LOW, HOLDS), (LOW, HIGH, FAILS), (HALF, HALF, OPEN)]
)
def test_that_a_row_is_not_worse(ours, theirs, word):
    assert not_worse(rows(ours, theirs), "a", "b").word == word


def test_the_margin_is_that_of_the_claim():
    one = rows(LOW, [value - 0.06 for value in LOW])
    assert equal(one, "a", "b", margin=0.15).word == HOLDS
    assert equal(one, "a", "b", margin=0.01).word == FAILS
    assert equal(one, "a", "b").word == OPEN


@pytest.mark.parametrize(
    ("values", "word"), [(HIGH, HOLDS), ([0.3] * 5, FAILS), (HALF, SAME), ([0.5, 0.6, 0.4, 0.7, 0.5], OPEN)]
)
def test_that_a_row_is_above_a_bound(values, word):
    assert above(record({"a": seeds(values)}), "a", 0.5).word == word
    assert above(record({"a": seeds(values[:4])}), "a", 0.5).reason == "4 seeds, where 5 are the least"


def test_chance_is_that_of_the_row():
    """Of a row about some of the classes its confusion matrix says how often the commonest comes."""
    one = rows(LOW, LOW)
    for result in one.results:
        result["metrics"][result["job"]]["confusion"] = [[70, 0, 0], [0, 30, 0], [0, 0, 0]]
    assert judged(one, "a", "b").reason == "both rows are at chance, 70%"


def test_a_row_that_was_still_learning_decides_nothing():
    one = rows(HIGH, LOW)
    for result in one.results:
        unfinished = result["job"] == "b" and result["seed"] < 5
        result["training"] = {"accuracy": 0.72, "slope": 0.02 if unfinished else 0.0}
    assert str(judged(one, "a", "b")).startswith("cannot tell here (still learning when training ended: b): +20.")
    one.results = [result for result in one.results if result["seed"] > 0]  # four of nine
    assert judged(one, "a", "b").word == HOLDS


def test_what_is_learnt_by_heart_is_not_learning():
    one = rows(HIGH, LOW)
    for result in one.results:
        reached = result["metrics"][result["job"]]["top1"]
        result["training"] = {"accuracy": 0.8, "slope": 0.02, "test": reached}  # of b ten points above the test videos
    assert one.learning("b") == []
    assert one.learning("a") == list(range(10))
    assert judged(one, "a", "b").reason == "still learning when training ended: a"


def test_several_verdicts_on_one_claim():
    good, bad, wide = Verdict(HOLDS, "+2"), Verdict(FAILS, "-2"), Verdict(OPEN, "+1", "why")
    assert str(together({"a": good, "b": good})) == "holds: a: +2; b: +2"
    assert str(together({"a": good, "b": wide})) == "cannot tell here: a: holds: +2; b: cannot tell here (why): +1"
    assert str(together({"a": wide, "b": wide})) == "cannot tell here (why): a: +1; b: +1"
    assert together({"a": good, "b": bad, "c": wide}).word == FAILS
    assert str(together({"a": good, "b": UNKNOWN})) == "holds: a: +2; not run: b"
    assert together({"a": UNKNOWN}) == together({}) == UNKNOWN
    assert all_judged(rows(HIGH, LOW), {"over b": ("a", "b"), "over c": ("a", "c")}).said.endswith("not run: over c")


def test_without_a_record_nothing_is_said():
    assert judged(None, "a", "b") == above(None, "a", 0.5) == ordered(None, []) == UNKNOWN
    assert judged(record({"a": {0: 0.9, 1: 0.9}, "b": {2: 0.5, 3: 0.5}}), "a", "b") == UNKNOWN  # no seed in common
    assert str(UNKNOWN) == "not run"


def test_rows_are_compared_by_the_seeds_that_both_have():
    one = record({"a": {0: 0.9, 1: 0.8, 2: 0.1, 5: 0.7}, "b": {5: 0.3, 1: 0.5, 0: 0.4, 7: 0.9}})
    found = compared(one, "a", "b")
    assert (found.ours, found.theirs) == ([0.9, 0.8, 0.7], [0.4, 0.5, 0.3])


def test_rows_of_the_same_trainings_are_paired():
    own, other = seeds([0.75, 0.9, 0.95, 0.8, 0.85]), seeds([0.76, 0.91, 0.96, 0.81, 0.86])
    one = record({"a": own, "b": other})
    assert equal(one, "b", "a").word == OPEN  # rows of two trainings, each with seeds that differ
    for result in one.results:
        result["job"] = "both"
    assert compared(one, "b", "a").interval == paired_interval(list(other.values()), list(own.values()), 2000)
    assert equal(one, "b", "a").word == HOLDS


def test_there_are_five_words():
    with pytest.raises(InputError, match="unknown word of a verdict 'agrees'"):
        Verdict("agrees")


def test_the_order_of_a_table():
    printed = lines("rcca", "4")[1:5] + lines("rcca", "1")[1:2]
    chosen = [line._replace(ours=f"r{i}", value=str(70 + i)) for i, line in enumerate(printed)]

    def said(values, **others):
        found = {f"r{i}": dict.fromkeys(range(5), value) for i, value in enumerate(values)}
        return ordered(replace(record(found | others), paper="rcca"), chosen)

    rising = [0.1, 0.2, 0.3, 0.4, 0.5]
    assert str(said(rising)) == "holds: Kendall's tau of 5 rows 1.00, p = 0.0083"  # one order of 120
    assert str(said(rising[::-1])) == "does not hold: Kendall's tau of 5 rows -1.00, p = 0.0083"
    assert said([0.3, 0.2, 0.1, 0.5, 0.4]).word == OPEN
    assert said([0.98, 0.981, 0.982, 0.983, 0.984]).reason == "all rows are above 97%"
    assert said(rising, r3={7: 0.3}) == UNKNOWN  # no seed in common
