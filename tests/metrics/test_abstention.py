"""Thresholds keep what they promise, drawn over and over; and are refused with the number of images that it takes."""

import numpy as np
import pytest

from striate.errors import ArgumentError
from striate.metrics.abstention import RISK, find_threshold


def drawn(rng, n, hard=0.3):
    """Top probabilities of which the true precision is known: a part of the images is wrong more often than it says."""
    top = 1 - rng.beta(0.6, 3, n) / 2
    honest = rng.uniform(size=n) > hard
    return top, rng.uniform(size=n) < np.where(honest, top, top**4)


@pytest.mark.parametrize(("n", "wanted"), [(400, 0.9), (2000, 0.95), (6000, 0.99)])
def test_the_promise_is_kept_but_for_the_risk(n, wanted):
    rng = np.random.default_rng(n)
    top, right = drawn(rng, 200_000)
    order = np.argsort(-top)
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    broken = found = 0
    for _ in range(60):
        threshold = find_threshold(*drawn(rng, n), wanted).value
        if threshold is not None:
            found += 1
            place = np.searchsorted(-top[order], -threshold, side="right") - 1
            broken += precision[max(0, place)] < wanted
    assert found > 30
    assert broken <= 100 * RISK + 3 * (100 * RISK) ** 0.5


def test_groups_count_as_what_they_are_worth():
    """Frames of one object are right or wrong together: by frames alone the promise would be broken all the time."""
    rng = np.random.default_rng(1)
    broken = {"grouped": 0, "alone": 0}
    for _ in range(60):
        right = np.repeat(rng.uniform(size=40) < 0.88, 50)
        groups = np.repeat(np.arange(40), 50)
        top = rng.uniform(0.5, 1, len(right))  # says nothing of what is right: no precision above 0.88 is to be had
        broken["grouped"] += find_threshold(top, right, 0.9, groups).value is not None
        broken["alone"] += find_threshold(top, right, 0.9).value is not None
    assert broken["grouped"] <= 6
    assert broken["alone"] >= 9


def test_equals_stand_or_fall_together():
    top, right = np.repeat([1.0, 0.8], [500, 500]), np.repeat([True, False], [500, 500])
    found = find_threshold(top, right, 0.95)
    assert (found.value, found.answered, found.precision) == (1.0, 500, 1.0)
    right[:100] = False
    assert find_threshold(top, right, 0.95).value is None


def test_a_model_that_is_good_enough_answers_always():
    top = np.linspace(0.5, 1, 1000)
    found = find_threshold(top, np.arange(1000) % 100 > 0, 0.95)
    assert (found.answered, found.value) == (1000, 0.5)


def test_images_that_are_refused_are_no_answers():
    """Those of none of the classes have no probability: however good the model, they are not among what it answers."""
    top, refused = np.linspace(0.5, 1, 1000), np.arange(1000) % 4 == 0
    found = find_threshold(np.where(refused, 0, top), np.arange(1000) % 100 > 0, 0.9)
    assert found.answered == 750
    assert found.images == 1000
    assert found.value == top[1]
    assert found.precision == 1.0  # what was wrong of them was refused
    # Right or wrong, they promise nothing: of those that are answered a third is wrong.
    lucky = find_threshold(np.where(refused, 0, top), refused | (np.arange(1000) % 3 > 0), 0.7)
    assert lucky.value is None
    assert find_threshold(np.zeros(1000), np.ones(1000, bool), 0.9).value is None


def test_where_some_are_refused_more_images_are_needed():
    def needed(refused):
        return find_threshold(np.where(np.arange(100) < refused, 0, 0.9), np.ones(100, bool), 0.99).needed

    assert needed(0) == 437
    assert needed(50) == 874


@pytest.mark.parametrize(("n", "wrong", "message"), [
    (100, 0, "needs about 437 validation images, there are 100"),
    (2000, 0.5, "not right so often however sure it is"),
    (0, 0, "needs about 437 validation images, there are 0"),
])  # fmt: skip
def test_what_cannot_be_promised_is_refused(n, wrong, message):
    rng = np.random.default_rng(0)
    found = find_threshold(rng.uniform(size=n), rng.uniform(size=n) >= wrong, 0.99)
    with pytest.raises(ArgumentError, match=message):
        found.require()


def test_about_as_many_images_as_it_says_are_enough():
    rng = np.random.default_rng(0)
    few = find_threshold(*drawn(rng, 300, hard=0), 0.97)
    assert few.value is None
    assert few.needed > 300
    enough = [find_threshold(*drawn(rng, 3 * few.needed, hard=0), 0.97).value is not None for _ in range(20)]
    assert np.mean(enough) > 0.7


def test_a_higher_precision_never_needs_fewer_images():
    """Of models good and bad, on few images and many, alone and in groups."""
    rng = np.random.default_rng(0)
    targets, refused = (0.6, 0.7, 0.8, 0.9, 0.95, 0.99), 0
    for _ in range(60):
        n, good = int(rng.integers(2, 300)), rng.uniform(0.4, 1)
        top, right = rng.uniform(size=n), rng.uniform(size=n) < good
        groups = None if rng.uniform() < 0.5 else rng.integers(0, max(2, n // 5), n)
        found = [find_threshold(top, right, wanted, groups) for wanted in targets]
        needed = [one.needed or np.inf for one in found if one.value is None]
        refused += len(needed)
        assert needed == sorted(needed)
    assert refused > 100


@pytest.mark.parametrize("wanted", [0, 1, 99, -0.5])
def test_a_precision_is_between_0_and_1(wanted):
    with pytest.raises(ArgumentError, match=r"sure must be a precision between 0 and 1, such as 0\.99"):
        find_threshold(np.ones(5), np.ones(5, bool), wanted)
