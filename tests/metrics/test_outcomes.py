"""Outcomes and the figures of probabilities against scikit-learn and NumPy."""

import warnings
from dataclasses import fields

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, f1_score, log_loss, top_k_accuracy_score

from striate.errors import ShapeError
from striate.metrics.averages import LEAST_PROBABILITY, mean_interval
from striate.metrics.evaluation import Evaluation, evaluate_outcomes, evaluate_probabilities
from striate.metrics.outcomes import Outcomes


def drawn(n=400, k=12, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) + 2 * np.eye(k)[labels]
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("k", [2, 3, 7, 12])
def test_figures_of_probabilities_agree_with_scikit_learn(k):
    probabilities, labels = drawn(k=k)
    one = evaluate_probabilities(probabilities, labels, list(map(str, range(k))))
    own = probabilities.astype(np.float64)
    own /= own.sum(1, keepdims=True)
    assert one.log_loss == pytest.approx(log_loss(labels, own), rel=1e-5)
    if k > 2:
        assert one.brier == pytest.approx(brier_score_loss(labels, own, scale_by_half=False), rel=1e-5)
        assert one.top_k.share == top_k_accuracy_score(labels, probabilities, k=one.top_k.k)
    else:
        assert one.brier == pytest.approx(2 * brier_score_loss(labels, own[:, 1]), rel=1e-5)
        assert one.top_k is None
    assert one.macro_f1 == pytest.approx(f1_score(labels, probabilities.argmax(1), average="macro"))
    rows = f1_score(labels, probabilities.argmax(1), average=None)
    assert [row["f1"] for row in one.per_class()] == pytest.approx(rows)


def test_columns():
    said = Outcomes.of(np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]], np.float32), np.array([1, 0, 1]))
    assert said.predicted.tolist() == [0, 2, 0]
    assert said.second.tolist() == [1, 0, 1]
    assert said.rank.tolist() == [1, 1, 1], "of equals the first comes first, as argmax has it"
    assert said.top == pytest.approx([0.5, 0.8, 0.4])
    assert said.true == pytest.approx([0.3, 0.1, 0.4])
    assert said.right.tolist() == [False] * 3


def test_parts_are_the_whole():
    probabilities, labels = drawn()
    whole = Outcomes.of(probabilities, labels)
    parts = Outcomes.joined(
        [Outcomes.of(probabilities[:150], labels[:150]), Outcomes.of(probabilities[150:], labels[150:])]
    )
    for name, column in vars(whole).items():
        assert np.array_equal(column, getattr(parts, name)), name
    assert len(Outcomes.joined([])) == 0
    assert whole.subset(np.array([3, 5])).true.tolist() == whole.true[[3, 5]].tolist()


def test_shapes_must_agree():
    with pytest.raises(ShapeError, match=r"n = 3 labels; got \(2, 2\)"):
        Outcomes.of(np.eye(2), np.zeros(3, int))


def test_a_probability_of_nothing_costs_a_lot_and_not_everything():
    one = evaluate_probabilities(np.eye(2, dtype=np.float32)[[0, 1]], np.array([0, 0]), "ab")
    assert one.log_loss == pytest.approx(-np.log(LEAST_PROBABILITY) / 2)
    assert one.brier == 1.0


def test_without_outcomes_nothing_is_said_of_probabilities():
    one = Evaluation(("a", "b"), np.array([[0, 0, 8], [1, 1, 9]]))
    told = one.to_json()
    assert {told[key] for key in ("log_loss", "brier", "top_k", "ece", "log_loss_interval", "brier_interval")} == {None}
    assert told["reliability"] is None
    empty = evaluate_probabilities(np.zeros((0, 3)), np.zeros(0, int), "abc").to_json()
    assert (empty["log_loss"], empty["ece"], empty["balanced_interval"]) == (None, None, [0.0, 1.0])


@pytest.mark.parametrize("grouped", [False, True])
def test_the_interval_of_a_mean_covers_it(grouped):
    rng, hits, naive = np.random.default_rng(0), 0, 0
    for _ in range(400):
        groups = np.repeat(np.arange(25), 8)
        shared = rng.gumbel(size=25)[groups] if grouped else 0
        values = rng.exponential(size=200) + shared + 1
        truth = 2 + (np.euler_gamma if grouped else 0)
        low, high = mean_interval(values, groups if grouped else None)
        hits += low <= truth <= high
        low, high = mean_interval(values)
        naive += low <= truth <= high
    assert hits >= 0.92 * 400
    assert naive < 0.8 * 400 or not grouped, "counting images where groups count must fall short"


def test_the_interval_of_one_group_is_not_known():
    assert mean_interval(np.ones(5), np.zeros(5, int)) is None
    assert mean_interval(np.ones(1)) is None


def test_precision_has_the_interval_of_what_was_so_called():
    """200 objects of 5 frames: of the precision of class 0 the interval must cover what is true of all objects."""
    rng, hits, naive = np.random.default_rng(1), 0, 0
    for _ in range(150):
        object_class = rng.integers(0, 2, 120)
        said = np.where(rng.random(120) < 0.8, object_class, 1 - object_class)
        groups = np.repeat(np.arange(120), 5)
        probabilities, labels = np.eye(2)[said[groups]], object_class[groups]
        (row, _) = evaluate_probabilities(probabilities, labels, "ab", groups=groups).per_class()
        hits += row["precision_interval"][0] <= 0.8 <= row["precision_interval"][1]
        (row, _) = evaluate_probabilities(probabilities, labels, "ab").per_class()
        naive += row["precision_interval"][0] <= 0.8 <= row["precision_interval"][1]
    assert hits >= 0.9 * 150
    assert naive < 0.8 * 150


def test_ten_thousand_classes_need_no_square():
    rng, k = np.random.default_rng(0), 10_000
    labels = rng.integers(0, k, 30_000)
    n = len(labels)
    predicted = np.where(rng.random(n) < 0.9, labels, rng.integers(0, k, n))
    real, whole = np.full(n, 0.5, np.float32), np.where(predicted == labels, 0, 1)
    said = Outcomes(labels, predicted, real, real, real / 2, whole, (predicted + 1) % k)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = evaluate_outcomes(said, list(map(str, range(k))), groups=np.arange(n) // 2).to_json()
    assert told["balanced_interval"][0] < told["balanced_accuracy"] < told["balanced_interval"][1]
    assert "confusion" not in told


@pytest.mark.parametrize("numbers", [1, 12, 1000])
def test_blocks_say_what_the_whole_says(numbers, monkeypatch):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(6), 50).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 6, 50)
    whole = Outcomes.of(probabilities, labels)
    monkeypatch.setattr("striate.metrics.outcomes.NUMBERS_AT_ONCE", numbers)
    apart = Outcomes.of(probabilities, labels)
    assert all(np.array_equal(getattr(whole, one.name), getattr(apart, one.name)) for one in fields(Outcomes))


def test_the_interval_of_a_mean_ends_where_no_mean_can_be():
    """Eight images, three of them wrong and sure of it: no log loss is below zero, no Brier score above two."""
    values = np.array([0.0, 0, 0, 0, 0, 12, 9, 27])
    low, high = mean_interval(values)
    assert low == 0
    assert high > values.mean()
    assert mean_interval(np.array([2.0, 2, 2, 0]), most=2.0)[1] == 2
