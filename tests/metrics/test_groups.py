"""Intervals that count groups: equal to the plain ones without groups, of the coverage that they claim with them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from striate.metrics.comparison import compare_paired
from striate.metrics.evaluation import Evaluation, evaluate_probabilities
from striate.metrics.groups import SampleSize, design_effect, grouped_interval, sign_flip
from striate.metrics.intervals import wilson_interval

TRIALS = 600


def drawn(rng, groups: int, size: int, correlation: float, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
    """Return right (n,) and groups (n,): each group has its own accuracy, beta-distributed, groups of uneven size."""
    sizes = rng.integers(max(1, size // 2), size * 3 // 2 + 1, groups)
    if correlation >= 1:
        shares = (rng.random(groups) < accuracy).astype(float)
    else:
        scale = 1 / correlation - 1
        shares = rng.beta(accuracy * scale, (1 - accuracy) * scale, groups)
    ids = np.repeat(np.arange(groups), sizes)
    return rng.random(len(ids)) < shares[ids], ids


@pytest.mark.parametrize("groups", [10, 20, 100])
@pytest.mark.parametrize("accuracy", [0.6, 0.8, 0.9, 0.97])
def test_a_95_percent_interval_contains_the_truth_95_times_in_a_hundred(groups, accuracy):
    rng, plain = np.random.default_rng(0), []
    for size, correlation in itertools.product([2, 20], [0.1, 0.5, 1.0]):
        hits = []
        for _ in range(TRIALS):
            right, ids = drawn(rng, groups, size, correlation, accuracy)
            low, high = grouped_interval(right, ids)
            hits.append(low <= accuracy <= high)
            low, high = wilson_interval(int(right.sum()), len(right))
            plain.append(low <= accuracy <= high)
        assert np.mean(hits) >= 0.93 - 0.012, (size, correlation, np.mean(hits))  # less what chance makes of 600 trials
    assert np.mean(plain) < 0.85, "an interval that counts frames is too narrow: the check can fail"


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_without_groups_it_is_wilsons(right):
    right = np.array(right)
    expected = wilson_interval(int(right.sum()), len(right))
    assert grouped_interval(right, None) == grouped_interval(right, np.arange(len(right))) == expected


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=100))
def test_groups_never_make_it_narrower(rows):
    right, groups = (np.array(column) for column in zip(*rows, strict=True))
    assert 1 <= design_effect(right, groups) <= len(right)
    low, high = grouped_interval(right, groups)
    near, far = wilson_interval(int(right.sum()), len(right))
    assert 0 <= low <= near + 1e-9
    assert far - 1e-9 <= high <= 1


def test_groups_that_stand_or_fall_whole_are_counted():
    right, groups = np.repeat([True, True, True, False] * 10, 10), np.repeat(np.arange(40), 10)
    assert design_effect(right, groups) == pytest.approx(10, rel=0.03)
    assert design_effect(np.ones(400, bool), groups) == 10
    assert design_effect(np.arange(400) % 10 > 1, groups) < 3, "two frames of every group are wrong: that is known"


@given(st.integers(0, 30), st.integers(0, 30))
def test_flipped_signs_of_single_images_are_mcnemars_test(first, second):
    sums = np.repeat([1.0, -1.0], [first, second])
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert sign_flip(sums) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("groups", [10, 40])
def test_equal_classifiers_are_parted_once_in_twenty_times(groups):
    rng, found, outside = np.random.default_rng(1), [], []
    for trial in range(300):
        first, ids = drawn(rng, groups, 15, 0.6, 0.8)
        second = (rng.random(groups) < 0.8)[ids]
        one = compare_paired(first, second, ids, seed=trial)
        found.append(one.beyond_noise)
        outside.append(not one.interval[0] <= 0 <= one.interval[1])
    assert np.mean(found) < 0.08
    assert np.mean(outside) < (0.11 if groups == 10 else 0.08)


def test_many_frames_of_few_objects_prove_little():
    first, second = np.repeat([True, True, True, False], 50), np.repeat([True, True, False, False], 50)
    assert compare_paired(first, second).p_value < 1e-6
    assert compare_paired(first, second, np.repeat(np.arange(4), 50)).p_value == 1


def test_an_evaluation_counts_groups():
    labels = np.repeat([0, 1], 200)
    probabilities = np.eye(2)[np.where(np.arange(400) % 200 < 40, 1 - labels, labels)]
    groups = np.arange(400) // 20
    one = evaluate_probabilities(probabilities, labels, "ab", groups=groups)
    assert (one.groups, one.total, one.correct) == (20, 400, 320)
    assert one.interval == pytest.approx(grouped_interval(probabilities.argmax(1) == labels, groups))
    assert one.per_class()[0]["groups"] == 10
    assert one.per_class()[0]["interval"][0] < wilson_interval(160, 200)[0] - 0.1
    assert str(one).endswith("(400 images of 20 groups)")
    kept = one.to_json()
    assert (kept["groups"], kept["interval"]) == (20, list(one.interval))
    again = Evaluation(one.classes, one.cells, sizes=tuple(SampleSize(*size) for size in one.sizes))
    assert again.interval == one.interval


def test_an_evaluation_of_a_confusion_alone_counts_images():
    one = Evaluation(("a", "b"), np.array([[0, 0, 8], [0, 1, 2], [1, 0, 1], [1, 1, 9]]))
    assert (one.groups, one.interval) == (20, wilson_interval(17, 20))
    assert "groups" not in str(one)
