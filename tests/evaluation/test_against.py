"""Two models on the same images: matched by name, McNemar's exact test, groups."""

import numpy as np
import pytest
from scipy.stats import binomtest

from striate.errors import DataError
from striate.evaluation.against import compare_evaluations
from striate.metrics.evaluation import Evaluation, evaluate_outcomes
from striate.metrics.outcomes import Outcomes


def judged(right, names, classes=("a", "b"), groups=None):
    labels = np.arange(len(right)) % 2
    if classes == ("b", "a"):
        labels = 1 - labels
    predicted = np.where(right, labels, 1 - labels)
    return evaluate_outcomes(Outcomes.of(np.eye(2)[predicted], labels), classes, names=names, groups=groups)


def test_images_are_matched_by_name_in_any_order_and_with_classes_in_any_order():
    rng = np.random.default_rng(0)
    first, second = rng.random(200) < 0.9, rng.random(200) < 0.7
    names, order = (
        np.array([f"{i}.png" for i in range(200)]),
        np.concatenate([np.arange(0, 200, 2), np.arange(1, 150, 2)]),
    )
    labels = order % 2
    predicted = np.where(second[order], labels, 1 - labels)
    other = evaluate_outcomes(
        Outcomes.of(np.eye(2)[1 - predicted], 1 - labels), ("b", "a"), names=names[order].tolist()
    )
    found = compare_evaluations(judged(first, names.tolist()), other, "other.striate")
    only = int((first & ~second)[np.sort(order)].sum()), int((second & ~first)[np.sort(order)].sum())
    assert (found.comparison.only_first, found.comparison.only_second, found.images) == (*only, 175)
    assert found.comparison.p_value == pytest.approx(binomtest(only[0], sum(only)).pvalue)
    assert found.accuracy - found.other_accuracy == pytest.approx(found.comparison.difference)
    told = found.to_json()
    assert told["beyond_noise"] is True
    assert found.sentence.startswith("against other.striate on the same 175 images: ")
    assert ": better beyond noise" in found.sentence


def test_equals_are_within_noise():
    right = np.arange(100) % 10 > 0
    names = [str(i) for i in range(100)]
    found = compare_evaluations(judged(right, names), judged(right, names), "m")
    assert found.comparison.p_value == 1
    assert found.sentence.endswith("within noise (p = 1)")


def test_groups_count():
    names, groups = [str(i) for i in range(200)], np.repeat(np.arange(4), 50)
    first, second = np.repeat([True, True, True, False], 50), np.repeat([True, True, False, False], 50)
    assert compare_evaluations(judged(first, names), judged(second, names), "m").comparison.beyond_noise
    told = compare_evaluations(judged(first, names, groups=groups), judged(second, names), "m")
    assert not told.comparison.beyond_noise


def test_what_cannot_be_compared():
    one = judged(np.ones(4, bool), list("wxyz"))
    with pytest.raises(DataError, match="no image is new to both models, so m cannot be compared"):
        compare_evaluations(one, judged(np.ones(4, bool), list("abcd")), "m")
    with pytest.raises(DataError, match="w must have one label for both models; it is 'a' and 'b'"):
        compare_evaluations(one, judged(np.ones(2, bool), list("xw")), "m")
    with pytest.raises(DataError, match="both know what was said"):
        compare_evaluations(one, Evaluation(("a", "b"), np.array([[0, 0, 3]])), "m")
