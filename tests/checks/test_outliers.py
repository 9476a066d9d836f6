"""Far values are found whatever the rest looks like; what is usual in a set is not far."""

import numpy as np
import pytest

from striate.checks.outliers import FAR, far_above, far_below


def test_normal_values_have_as_many_as_the_normal_distribution_says():
    values = np.random.default_rng(0).normal(size=400_000)
    expected = 400_000 * 3.17e-5  # beyond four standard deviations, on one side
    assert far_below(values).sum() == pytest.approx(expected, abs=4 * expected**0.5)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.2])
def test_planted_values_are_found_and_no_others(share):
    rng = np.random.default_rng(1)
    values = rng.normal(100, 2, 5000)
    planted = rng.random(5000) < share
    values[planted] = 60
    found = far_below(values, far=6)
    assert (found == planted).all()


def test_two_halves_are_two_kinds_and_no_outliers():
    assert not far_below(np.repeat([10.0, 100.0], 500)).any()


def test_a_long_tail_above_hides_nothing_below():
    values = np.random.default_rng(2).exponential(30, 2000) + 100
    values[:3] = 10
    assert far_below(values, far=4).nonzero()[0].tolist() == [0, 1, 2]


def test_what_is_unknown_is_not_judged():
    assert not far_below(np.array([np.nan, 1, 1, 1, np.nan])).any()
    assert not far_below(np.zeros(0)).any()
    assert not far_below(np.array([1.0])).any()


def test_equal_values_leave_a_hair_alone():
    values = np.full(100, 5.0)
    values[0] = 5 - 0.9 * FAR * 0.05
    assert not far_below(values).any()
    values[0] = 5 - 1.1 * FAR * 0.05
    assert far_below(values)[0]


def test_above_mirrors_below():
    values = np.random.default_rng(3).standard_cauchy(1000)
    assert (far_above(values) == far_below(-values)).all()
