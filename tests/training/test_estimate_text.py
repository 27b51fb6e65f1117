"""What an estimate says: sums, the longest trainings, what is unknown, warnings."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videoattn.training.estimate import Estimate, duration
from videoattn.training.measure_job import JobEstimate

GIB = 2**30


def estimated(*jobs: JobEstimate, **changes: object) -> Estimate:
    first = {"seconds": 0.0, "lanes": 1, "available": 22 * GIB, "gpu": True, "disk": GIB, "free": GIB}
    return Estimate(jobs=jobs, **first | {"folder": Path("runs/x")} | changes)


FAST = JobEstimate("tsm", 1, 3000.0, 600.0, 9 * GIB, 2 * GIB, GIB)
SLOW = JobEstimate("tsn", 2, 7000.0, 200.0, 4 * GIB, 5 * GIB, GIB)
UNKNOWN = JobEstimate("idt", 2, unknown="no network is trained")
NO_BATCH = JobEstimate("a", 1, unknown="out of memory with batches of 8 videos")
NO_TEST = JobEstimate("a", 1, unknown="out of memory in testing 4 videos at a time")
NO_WEIGHTS = JobEstimate("a", 1, unknown="out of memory with its weights alone")
SHORT = "warning: the memory is not enough"
LOWER = "lower `test_batch`"
FEWER = "train fewer than 2 side by side"
RAISE = "raise `accumulation` (smaller batches, the same step)"


def test_the_text_says_what_is_known_and_what_is_not():
    found = estimated(FAST, UNKNOWN, SLOW, seconds=31.3334 * 3600)
    assert found.text().splitlines() == [
        "estimated from 2 steps of each of 2 networks: 31 h 20 min and 9.0 GiB of 22.0 GiB of GPU memory",
        "tsn 2 x 2 h 0 min (5.0 GiB), tsm 1 h 0 min (9.0 GiB)",
        "not estimated: idt (no network is trained)",
    ]
    one = estimated(replace(FAST, training_memory=3 * 2**20, testing_memory=0), seconds=59.2, gpu=False)
    assert one.text() == "estimated from 2 steps of 1 network: 1 min 0 s and 3.0 MiB of 22.0 GiB of memory"
    assert estimated(UNKNOWN).text() == "not estimated: idt (no network is trained)"
    eight = estimated(*(replace(FAST, name=f"n{i}", training=float(i)) for i in range(8)), lanes=2).text()
    assert "9.0 GiB" not in eight.splitlines()[0]
    assert "18.0 GiB of 22.0 GiB of GPU memory with 2 trainings side by side" in eight
    assert eight.splitlines()[1].startswith("the longest: n7 10 min 7 s (9.0 GiB), n6 ")
    assert "n1" not in eight


@pytest.mark.parametrize(
    ("jobs", "changes", "lines"),
    [
        ([FAST, SLOW], {}, []),
        ([FAST, SLOW], {"available": 9 * GIB - 1}, [f"{SHORT}: {RAISE}"]),
        ([SLOW], {"available": 9 * GIB // 2}, [f"{SHORT}: {LOWER}"]),
        (
            [SLOW],
            {"lanes": 2, "available": 10 * GIB - 1},
            [f"{SHORT}: {LOWER}, {FEWER}"],
        ),
        ([FAST, SLOW], {"lanes": 2, "available": 14 * GIB - 1}, [f"{SHORT}: {FEWER}"]),
        ([FAST, SLOW], {"lanes": 2, "available": 14 * GIB}, []),
        ([NO_BATCH], {}, [f"{SHORT}: {RAISE}"]),
        (
            [JobEstimate("a", 1, unknown="out of memory in testing 4 videos at a time")],
            {},
            [f"{SHORT}: {LOWER}"],
        ),
        ([NO_WEIGHTS], {}, [SHORT]),
        ([FAST], {"disk": 3 * GIB}, ["warning: the checkpoints need 3.0 GiB, but runs/x has room for 1.0 GiB"]),
    ],
)
def test_what_there_is_too_little_of_is_warned_of(jobs, changes, lines):
    found = estimated(*jobs, **changes)
    assert found.warnings() == lines
    assert found.text().splitlines()[-len(lines) or len(found.text()) :] == lines


@given(st.integers(0, 10**7))
def test_durations_name_two_units_and_round_up_the_least(seconds):
    size = {"d": 86400, "h": 3600, "min": 60, "s": 1}
    words = duration(seconds - 0.5).split()
    told = sum(int(n) * size[unit] for n, unit in zip(words[::2], words[1::2], strict=True))
    assert 0 <= seconds - told < size[words[-1]]
    assert len(words) in (2, 4)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.1, "1 min 0 s"), (3599, "59 min 59 s"), (172799, "47 h 59 min"), (172800, "2 d 0 h")],
)
def test_durations_at_their_borders(seconds, text):
    assert duration(seconds) == text
