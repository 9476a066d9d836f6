import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import ShapeError
from striate.metrics.comparison import compare_paired, mcnemar


def test_mcnemar_counts_the_ways_of_chance():
    # 1 of 9 or fewer, or 8 of 9 or more: 2 · (1 + 9) of 512 ways.
    assert mcnemar(8, 1) == pytest.approx(20 / 512)
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=300))
def test_comparison_turns_with_its_sides(pairs):
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    there, back = compare_paired(first, second), compare_paired(second, first)
    assert there.difference == -back.difference == pytest.approx(first.mean() - second.mean())
    assert there.p_value == back.p_value
    assert there.interval[0] <= there.difference <= there.interval[1]


def test_the_interval_is_that_of_resampled_images():
    rng = np.random.default_rng(0)
    first, second = rng.random(500) < 0.8, rng.random(500) < 0.6
    rows = rng.integers(0, 500, (4_000, 500))
    expected = np.quantile(first[rows].mean(1) - second[rows].mean(1), [0.025, 0.975])
    assert compare_paired(first, second).interval == pytest.approx(expected, abs=0.006)


def test_equal_classifiers_do_not_differ_and_other_images_are_refused():
    same = np.array([True, False, True])
    assert not compare_paired(same, same).beyond_noise
    with pytest.raises(ShapeError, match="the same images"):
        compare_paired(same, same[:2])
