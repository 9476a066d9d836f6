"""Prediction sets cover what they promise: drawn over and over, by class, and where images come in groups."""

import numpy as np
import pytest

from striate.errors import ArgumentError
from striate.metrics.prediction_sets import FREE_CLASSES, PENALTY, fit_sets, set_scores


def drawn(rng, n, k=6, sharpness=2.0):
    logits = sharpness * rng.normal(size=(n, k))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (true.cumsum(1) > rng.uniform(size=(n, 1))).argmax(1)
    said = true**1.7  # too sure: sets must cover all the same
    return said / said.sum(1, keepdims=True), labels


def test_scores_are_what_comes_before():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(9), 50)
    scores = set_scores(probabilities)
    for row, found in zip(probabilities, scores, strict=True):
        for j in range(9):
            before = row > row[j]
            expected = row[before].sum() + PENALTY * max(0, before.sum() + 1 - FREE_CLASSES)
            assert found[j] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("wanted", [0.8, 0.9, 0.95])
def test_coverage_over_many_draws(wanted):
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(60):
        said, labels = drawn(rng, 300)
        rule = fit_sets(set_scores(said)[np.arange(300), labels], labels, wanted, 6)
        fresh, truth = drawn(rng, 1000)
        members = rule.members(fresh)
        assert members.any(1).all()
        assert members[np.arange(1000), fresh.argmax(1)].all()
        covered.append(members[np.arange(1000), truth].mean())
    assert wanted - 0.006 < np.mean(covered) < wanted + 0.015


def test_a_class_with_enough_images_is_covered_as_often():
    """One class is hard: sets that share one limit would cover it less often."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, 6000)
    late = rng.uniform(size=6000) * np.where(labels == 2, 1.0, 0.5)
    rule = fit_sets(late, labels, 0.9, 3)
    assert rule.own.all()
    np.testing.assert_allclose(rule.limits, [0.45, 0.45, 0.9], atol=0.02)
    shared = fit_sets(late, np.zeros(6000, int), 0.9, 3)  # as if all were of the first
    assert shared.own.tolist() == [True, False, False]
    assert (late[labels == 2] <= shared.limits[2]).mean() < 0.75


def test_a_small_class_shares_the_limit_of_all():
    rng = np.random.default_rng(0)
    said, labels = drawn(rng, 400, k=3)
    labels[5:] = np.minimum(labels[5:], 1)
    rule = fit_sets(set_scores(said)[np.arange(400), labels], labels, 0.9, 3)
    assert rule.own.tolist() == [True, True, False]


def test_groups_weigh_as_much_each():
    """One object with thousands of easy frames must not pay for the others."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        late = rng.uniform(size=40)
        scores = np.concatenate([np.zeros(4000), late])
        groups = np.concatenate([np.zeros(4000, int), np.arange(1, 41)])
        rule = fit_sets(scores, np.zeros(4040, int), 0.9, 1, groups)
        covered.append(rule.limits[0])  # the share of new single images, uniform, that it covers
    assert np.mean(covered) > 0.87
    assert fit_sets(scores, np.zeros(4040, int), 0.9, 1).limits[0] < 0.1


def test_too_few_images_are_refused():
    with pytest.raises(ArgumentError, match="needs about 99 validation images, there are 50"):
        fit_sets(np.zeros(50), np.zeros(50, int), 0.99, 2)
    with pytest.raises(ArgumentError, match="needs about 19 groups of validation images, there are 10"):
        fit_sets(np.zeros(50), np.zeros(50, int), 0.95, 2, np.arange(50) % 10)


@pytest.mark.parametrize("wanted", [0, 1, 95])
def test_a_coverage_is_between_0_and_1(wanted):
    with pytest.raises(ArgumentError, match=r"sets must be a coverage between 0 and 1, such as 0\.95"):
        fit_sets(np.zeros(50), np.zeros(50, int), wanted, 2)
