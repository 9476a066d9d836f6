"""Learning curves carried forward."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.selection.ladder.forecast import (
    HIGHEST_POWER,
    LOWEST_POWER,
    USUAL_POWER,
    Probe,
    carried_forward,
    tuned_error,
)

ERRORS = st.floats(0, 1)


@given(st.floats(0.05, 1), st.floats(0, 1), st.floats(2, 50))
def test_half_of_a_power_law_is_believed(error, power, times):
    points = [(1.0, error), (4.0, error * 4**-power)]
    believed = min(HIGHEST_POWER, max(LOWEST_POWER, (power + USUAL_POWER) / 2))
    expected = points[1][1] * times**-believed
    assert carried_forward(points, 4 * times, 10**9) == pytest.approx(min(1, expected), rel=1e-6)


@given(ERRORS, ERRORS, st.floats(1, 1e6), st.integers(1, 10_000))
def test_more_never_promises_less(first, second, amount, judged):
    points = [(1.0, first), (3.0, second)]
    one, more = (carried_forward(points, x, judged) for x in (amount, 2 * amount))
    assert 0 < more <= one <= 1
    assert more >= one * 2**-HIGHEST_POWER * 0.999 or one == 1


def test_no_time_promises_nothing_and_no_error_is_not_none():
    assert carried_forward([(1, 0.1)], 0, 100) == 1.0
    assert 0 < carried_forward([(1, 0.0)], 2, 100) < 0.005


@given(st.floats(0.001, 1), st.integers(10, 10**6), st.floats(0, 1e7))
def test_fine_tuning_promises_no_more_than_most_of_the_error(frozen, images, looks):
    error = tuned_error(frozen, images, looks)
    assert 0.199 * frozen <= error <= frozen
    assert tuned_error(frozen, images, 2 * looks) <= error


def test_a_probe_says_what_it_saw_and_keeps_it_for_later():
    probe = Probe("swift", ((1, 0.5), (3, 0.4)), 100, 4.2, 0.2, 60, "in 3 s")
    assert probe.line() == "swift       a short trial: 60.0 % in 3 s; 80.0 % expected after 60 s"
    assert probe.to_json()["foreseen_accuracy"] == 0.8
    uneven = replace(probe, metric="macro-f1")
    assert uneven.came_to == "a short trial: 60.0 % macro F1 in 3 s"
    assert uneven.to_json()["foreseen_macro_f1"] == 0.8
    assert math.isinf(Probe("swift", ((1, 0.5),), 10, 1).foreseen)
