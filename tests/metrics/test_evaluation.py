import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from striate.errors import ShapeError
from striate.metrics.evaluation import evaluate_probabilities


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
    evaluation = evaluate_probabilities(probabilities, np.zeros(10000, int), "ab")
    assert evaluation.line() == "Accuracy on test set: 78.81% (7881 / 10000)"


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
