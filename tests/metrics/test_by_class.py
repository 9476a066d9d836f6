import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score

import striate
from striate.errors import ArgumentError
from striate.metrics.by_class import METRICS, count_pairs, dense_matrix, sparse_cells
from striate.metrics.evaluation import DENSE_CLASSES, Evaluation, evaluate_probabilities

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


def evaluation(true, predicted, classes=5):
    return Evaluation(tuple(map(str, range(classes))), count_pairs(np.array(true), np.array(predicted), classes))


@given(PAIRS)
def test_figures_agree_with_scikit_learn_whatever_classes_occur(pairs):
    true, predicted = zip(*pairs, strict=True)
    one = evaluation(true, predicted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are predicted and never occur
        assert one.balanced_accuracy == pytest.approx(balanced_accuracy_score(true, predicted))
        assert one.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro"))
    assert np.array_equal(one.confusion, confusion_matrix(true, predicted, labels=range(5)))
    assert np.array_equal(dense_matrix(sparse_cells(one.confusion), 5), one.confusion)
    assert one.score("accuracy") == one.accuracy
    assert one.score("balanced-accuracy") == one.balanced_accuracy
    assert one.score("macro-f1") == one.macro_f1


def test_three_times_as_frequent_is_uneven_among_classes_that_occur():
    assert evaluation([0, 0, 0, 1], [0] * 4).uneven
    assert not evaluation([0, 0, 1], [0] * 3).uneven
    assert not evaluation([3, 3, 3], [0] * 3).uneven
    assert not evaluation([], []).uneven


def test_what_is_uneven_says_so_and_what_is_even_does_not():
    uneven, even = evaluation([0] * 9 + [1], [0] * 10), evaluation([0, 1], [0, 1])
    assert "accuracy 90.00 % (9 / 10)" in str(uneven)
    assert str(uneven).endswith("; balanced accuracy 50.00 %, macro F1 47.37 %")
    assert "macro F1" not in str(even)
    for one in (uneven, even):
        assert {"balanced_accuracy", "macro_f1"} <= one.to_json().keys()


def test_no_images_and_no_such_metric():
    nothing = evaluation([], [])
    assert [nothing.score(metric) for metric in METRICS] == [0.0, 0.0, 0.0]
    with pytest.raises(ArgumentError, match=r"unknown metric 'balanced'.*accuracy, balanced-accuracy, macro-f1"):
        nothing.score("balanced")


def test_many_classes_take_room_as_their_images_do():
    k = 3_000
    true = np.arange(k)
    one = evaluation(true, true[::-1], k)
    kept = one.to_json()
    assert "confusion" not in kept
    assert len(kept["confusion_cells"]) == k
    assert len(json.dumps(kept)) < 1_000_000
    few = evaluation([0], [1], DENSE_CLASSES).to_json()
    assert np.shape(few["confusion"]) == (DENSE_CLASSES, DENSE_CLASSES)
    assert "confusion_cells" not in few


def test_an_evaluation_is_made_of_probabilities_without_a_square():
    rows = evaluate_probabilities(np.eye(4)[[1, 1, 2]], np.array([1, 3, 2]), "abcd")
    assert rows.cells.tolist() == [[1, 1, 1], [2, 2, 1], [3, 1, 1]]
    assert isinstance(rows, striate.Evaluation)
