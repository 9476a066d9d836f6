import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from striate.errors import ShapeError
from striate.metrics.evaluation import evaluate_probabilities
from striate.metrics.intervals import wilson_interval


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(counts):
    correct, total = counts
    expected = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert wilson_interval(correct, total) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_figures_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(0, 4, 300), rng.random((300, 4))
    evaluation = evaluate_probabilities(probabilities, labels, "abcd")
    predicted = probabilities.argmax(1)
    assert np.array_equal(evaluation.confusion, confusion_matrix(labels, predicted))
    assert evaluation.accuracy == (labels == predicted).mean()
    rows = evaluation.per_class()
    assert [row["accuracy"] for row in rows] == pytest.approx(recall_score(labels, predicted, average=None))
    assert [row["precision"] for row in rows] == pytest.approx(precision_score(labels, predicted, average=None))


def test_the_published_line():
    probabilities = np.eye(2)[[0] * 7881 + [1] * 2119]
    assert (
        evaluate_probabilities(probabilities, np.zeros(10000, int), "ab").line()
        == "Accuracy on test set: 78.81% (7881 / 10000)"
    )


def test_a_class_without_images_has_no_accuracy():
    rows = evaluate_probabilities(np.eye(3)[[0, 0]], np.array([0, 1]), "abc").per_class()
    assert rows[2]["accuracy"] is None
    assert rows[2]["precision"] is None


def test_no_images():
    evaluation = evaluate_probabilities(np.zeros((0, 2)), np.zeros(0, int), "ab")
    assert (evaluation.total, evaluation.interval) == (0, (0.0, 1.0))


def test_shapes_must_agree():
    with pytest.raises(ShapeError, match=r"\(3, 2\).*got \(2, 2\)"):
        evaluate_probabilities(np.eye(2), np.zeros(3, int), "ab")
