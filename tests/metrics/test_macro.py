"""The intervals of balanced accuracy and macro F1 cover the truth about 95 times in a hundred."""

import numpy as np
import pytest

from striate.metrics.by_class import count_classes
from striate.metrics.evaluation import evaluate_probabilities
from striate.metrics.macro import balanced_accuracy_interval, macro_f1_interval

TRIALS = 250


def population(rng, k, accuracy, spread):
    """Return a matrix (k, k) of what images of each class are taken for."""
    confusion = rng.dirichlet(np.ones(k), size=k)
    np.fill_diagonal(confusion, 0)
    recall = np.clip(accuracy + spread * rng.standard_normal(k), 0.05, 0.999)
    confusion *= ((1 - recall) / confusion.sum(1))[:, None]
    confusion[np.arange(k), np.arange(k)] = recall
    return confusion


def true_f1(sizes, confusion):
    joint = sizes[:, None] * confusion
    return float((2 * np.diag(joint) / (joint.sum(0) + joint.sum(1))).mean())


@pytest.mark.parametrize("sizes", [[50, 50], [200, 10], [20] * 10, [200, 100, 50, 25, 12, 6], [10] * 60])
@pytest.mark.parametrize("accuracy", [0.6, 0.9, 0.97])
def test_coverage(sizes, accuracy):
    rng, sizes = np.random.default_rng(0), np.array(sizes)
    k = len(sizes)
    confusion = population(rng, k, accuracy, (1 - accuracy) / 3)
    truth = np.diag(confusion).mean(), true_f1(sizes, confusion)
    hits = np.zeros(2)
    for _ in range(TRIALS):
        matrix = np.stack([rng.multinomial(n, row) for n, row in zip(sizes, confusion, strict=True)])
        true, called = np.nonzero(matrix)
        cells = np.stack([true, called, matrix[true, called]], 1)
        counts = count_classes(cells, k)
        for i, interval in enumerate((balanced_accuracy_interval(counts, cells), macro_f1_interval(counts, cells))):
            hits[i] += interval[0] <= truth[i] <= interval[1]
    assert (hits / TRIALS >= 0.9).all(), hits / TRIALS


def test_groups_widen_it_as_they_must():
    rng, hits, naive = np.random.default_rng(1), np.zeros(2), np.zeros(2)
    for _ in range(150):
        classes = np.repeat([0, 1], [40, 20])
        said = np.where(rng.random(60) < np.array([0.9, 0.7])[classes], classes, 1 - classes)
        groups = np.repeat(np.arange(60), 6)
        truth = 0.8, true_f1(np.array([40, 20]), np.array([[0.9, 0.1], [0.3, 0.7]]))
        for grouped, counter in ((groups, hits), (None, naive)):
            one = evaluate_probabilities(np.eye(2)[said[groups]], classes[groups], "ab", groups=grouped)
            for i, interval in enumerate((one.balanced_interval, one.macro_f1_interval)):
                counter[i] += interval[0] <= truth[i] <= interval[1]
    assert (hits / 150 >= 0.9).all()
    assert (naive / 150 < 0.75).all(), "frames counted as images must fall short"


def test_all_right_is_not_certainly_all_right():
    one = evaluate_probabilities(np.eye(3)[np.arange(30) % 3], np.arange(30) % 3, "abc")
    low, high = one.balanced_interval
    assert high == pytest.approx(1)
    assert low == pytest.approx(one.interval[0], abs=0.01), "of even classes all right, it is that of the accuracy"
    assert one.macro_f1_interval[0] == pytest.approx(low, abs=0.02)


def test_a_figure_lies_in_its_interval():
    rng = np.random.default_rng(2)
    for _ in range(50):
        k = int(rng.integers(2, 8))
        labels = rng.integers(0, k, 40)
        one = evaluate_probabilities(rng.dirichlet(np.ones(k), 40), labels, "abcdefgh"[:k])
        assert one.balanced_interval[0] <= one.balanced_accuracy <= one.balanced_interval[1]
        assert one.macro_f1_interval[0] <= one.macro_f1 <= one.macro_f1_interval[1]
