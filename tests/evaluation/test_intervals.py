"""Intervals over seeds: against scipy where the model is scipy's, and how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from videoattn.errors import InputError
from videoattn.evaluation.intervals import accuracy_interval, difference_interval, paired_interval, paired_p


def test_one_seed_of_many_equal_seeds_is_a_binomial_interval():
    """Seeds that are all alike leave the sample of videos alone."""
    interval = accuracy_interval([0.8] * 200, 400)
    expected = stats.beta.interval(0.95, 0.8 * 400 + 0.5, 0.2 * 400 + 0.5)
    assert interval == pytest.approx(expected, abs=0.004)


def test_seeds_that_differ_give_students_interval_where_it_is_far_from_the_bounds():
    values = np.clip(np.random.default_rng(0).normal(0.5, 0.05, 40), 0, 1)
    mean, half = values.mean(), stats.t.ppf(0.975, 39) * values.std(ddof=1) / np.sqrt(40)
    low, high = accuracy_interval(values.tolist(), 10**6)
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.003)


@pytest.mark.parametrize(
    "values", [[1.0, 1.0, 0.0], [0.998, 1.0, 1.0], [0.96, 0.9, 1.0], [1.0] * 3, [0.0] * 3, [0.667, 0.25, 1.0]]
)
def test_an_interval_stays_within_0_and_1_and_holds_the_mean(values):
    low, high = accuracy_interval(values, 500)
    assert 0 <= low <= np.mean(values) <= high <= 1
    assert high - low > 0.1  # three seeds say little


def test_all_right_or_all_wrong_reaches_the_bound():
    assert accuracy_interval([1.0] * 10, 600)[1] == 1
    assert accuracy_interval([0.0] * 10, 600)[0] == 0
    low, _ = accuracy_interval([1.0] * 10, 600)
    assert 0.8 < low < 0.95  # ten seeds leave room for a failure in some ten
    assert accuracy_interval([0.0] * 10, 600)[1] == pytest.approx(1 - low, abs=1e-3)


def test_more_seeds_do_not_make_the_videos_more():
    few, many = accuracy_interval([0.5] * 10, 50), accuracy_interval([0.5] * 400, 50)
    binomial = np.diff(stats.beta.interval(0.95, 25.5, 25.5))[0]
    assert many[1] - many[0] == pytest.approx(binomial, rel=0.05)
    assert few[1] - few[0] < 1.2 * binomial


def constant(accuracy):
    return accuracy, lambda rng, n: np.full(n, accuracy)


def beta(mean, kappa):
    return mean, lambda rng, n: rng.beta(mean * kappa, (1 - mean) * kappa, n)


def failing(share, good, bad):
    """Networks of which a share learns the task."""
    return share * good + (1 - share) * bad, lambda rng, n: np.where(rng.random(n) < share, good, bad)


def measured(rng, accuracies, videos):
    """Accuracies on one sample of videos, which are harder or easier for all networks alike seven times of ten."""
    shared, own = rng.random(videos), rng.random((len(accuracies), videos))
    hardness = np.where(rng.random(own.shape) < 0.7, shared, own)
    return (hardness < accuracies[:, None]).mean(1)


@pytest.mark.parametrize(
    "truth",
    [constant(0.5), constant(0.85), constant(0.995), beta(0.9, 20), beta(0.5, 100), failing(0.7, 0.999, 0.33)],
    ids=["0.5", "0.85", "0.995", "unlike", "alike", "failing"],
)
@pytest.mark.parametrize("seeds", [5, 10])
def test_a_95_percent_interval_holds_the_truth_95_times_of_100(truth, seeds):
    mean, draw = truth
    rng, runs = np.random.default_rng(seeds), 100
    found = [accuracy_interval(measured(rng, draw(rng, seeds), 300), 300) for _ in range(runs)]
    held = sum(low <= mean <= high for low, high in found)
    assert stats.binom.cdf(held, runs, 0.95) > 0.001  # not fewer than chance allows


def test_the_interval_of_a_difference_holds_it():
    rng, runs, held = np.random.default_rng(3), 100, 0
    for _ in range(runs):
        rows = measured(rng, np.concatenate([rng.beta(27, 3, 5), rng.beta(24, 6, 5)]), 300)
        low, high = difference_interval(rows[:5], rows[5:], 300)
        held += low <= 0.1 <= high
    assert stats.binom.cdf(held, runs, 0.95) > 0.001


@pytest.mark.parametrize("failing", [0.0, 0.3])
def test_the_interval_of_rows_of_the_same_networks_holds_their_difference(failing):
    """Networks learn the task or fail, for both rows alike; the second row is right a little less often."""
    rng, runs, held, widths = np.random.default_rng(5), 300, 0, []
    for _ in range(runs):
        truth = np.where(rng.random(5) < failing, 0.3, rng.beta(80, 20, 5))
        right = rng.random((5, 500)) < truth[:, None]
        kept = right & (rng.random((5, 500)) < 0.98)
        low, high = paired_interval(right.mean(1), kept.mean(1), 500)
        held += low <= 0.02 * ((1 - failing) * 0.8 + failing * 0.3) <= high
        widths.append(high - low)
    assert stats.binom.cdf(held, runs, 0.95) > 0.001
    assert np.mean(widths) < 0.12  # where independent rows would give some 0.4 and more


def test_the_interval_of_paired_rows_is_students_and_that_of_the_videos():
    ours, theirs = [0.8, 0.85, 0.9], [0.7, 0.8, 0.75]
    low, high = paired_interval(ours, theirs, 10**9)
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high))
    low, high = paired_interval([0.5] * 4, [0.5] * 4, 100)
    assert (low, high) == pytest.approx((-1.959964 * 0.5**0.5 / 10, 1.959964 * 0.5**0.5 / 10))
    assert paired_interval([0.5], [0.5], 100) == (-1, 1)
    with pytest.raises(InputError, match="3 and 2 seeds cannot be paired"):
        paired_interval(ours, theirs[:2], 100)
    with pytest.raises(InputError, match=r"1\.5 is no accuracy"):
        paired_interval(ours, [0.5, 0.5, 1.5], 100)


def test_a_difference_changes_its_sign_with_the_rows():
    low, high = difference_interval([0.9, 0.8, 0.95], [0.5, 0.4, 0.6], 200)
    assert difference_interval([0.5, 0.4, 0.6], [0.9, 0.8, 0.95], 200) == pytest.approx((-high, -low))
    assert low < np.mean([0.9, 0.8, 0.95]) - 0.5 < high
    low, high = difference_interval([1.0, 1.0, 0.998], [0.0] * 3, 500)
    assert low < np.mean([1.0, 1.0, 0.998]) <= high <= 1


def test_signs_of_paired_differences():
    assert paired_p([0.9] * 5, [0.5] * 5) == 1 / 32
    assert paired_p([0.5] * 5, [0.9] * 5) == 1
    assert paired_p([0.9, 0.9, 0.4], [0.5, 0.5, 0.5]) == 2 / 8  # also the signs that turn the smallest one
    assert paired_p([0.5] * 4, [0.5] * 4) == 1
    assert paired_p([0.9] * 20, [0.5] * 20) < 1e-3


@pytest.mark.parametrize(
    ("values", "videos", "said"),
    [([], 5, "0 values of 5 videos"), ([0.5], 0, "1 values of 0"), ([1.5], 5, "1.5 is no accuracy")],
)
def test_what_is_no_accuracy_is_refused(values, videos, said):
    with pytest.raises(InputError, match=said):
        accuracy_interval(values, videos)


def test_rows_of_other_seeds_are_not_paired():
    with pytest.raises(InputError, match="2 and 1 seeds"):
        paired_p([0.5, 0.6], [0.5])
