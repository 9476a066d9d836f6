"""What is said of doubtful labels: shares of those that were judged, what is left out, how bad it is."""

from dataclasses import replace

import numpy as np
import pytest
from tests.checks.synthetic import an_image_set

from striate.checks.doubtful import describe_odd_ones, describe_suspects
from striate.checks.odd_ones import OddOnes
from striate.checks.suspects import Suspects


def suspects(probabilities, expected, judged):
    m = len(probabilities)
    return Suspects(
        np.arange(m) + 3, np.zeros(m, np.int64), np.ones(m, np.int64), np.array(probabilities), expected, judged
    )


def an_unlabelled_half():
    labels = np.arange(200) % 2
    labels[100:] = -1
    return an_image_set(labels, classes=("cat", "dog"))


def test_the_share_is_of_the_labels_that_were_judged():
    """Two wrong labels of a hundred are two points, however many images without a label lie beside them."""
    (found,) = describe_suspects(an_unlabelled_half(), suspects([0.9, 0.8, 0.4], 2.0, 100))
    assert found.weight == pytest.approx(2.0)
    assert "by up to 2.0 points" in found.effect
    assert found.severity == "serious"
    assert found.title.startswith("3 of 100 labels are doubtful")
    assert found.figures["expected_wrong"] == 2.0
    assert found.figures["precision"] == {"3": pytest.approx(0.7)}


def test_only_what_is_more_probably_wrong_than_right_is_left_out():
    (found,) = describe_suspects(an_unlabelled_half(), suspects([0.9, 0.51, 0.5, 0.4], 1.0, 100))
    assert [mark.leave_out for mark in found.marks] == [True, True, False, False]
    assert [mark.image for mark in found.marks] == ["3.png", "4.png", "5.png", "6.png"]
    assert found.marks[0].likely == "dog"
    assert found.marks[0].detail == "labelled cat, more probably dog; wrong with 90 %"
    assert found.severity == "warning"


def test_labels_of_images_that_judge_are_told_and_stay():
    images = replace(an_unlabelled_half(), splits=np.where(np.arange(200) == 3, "test", ""))
    (found,) = describe_suspects(images, suspects([0.9, 0.8], 1.0, 100))
    assert [mark.leave_out for mark in found.marks] == [False, True]


def test_no_suspects_are_no_finding():
    assert describe_suspects(an_unlabelled_half(), suspects([], 0.3, 100)) == []


@pytest.mark.parametrize(("count", "severity"), [(3, "warning"), (2, "note")])
def test_odd_ones_are_a_warning_only_beyond_what_chance_names(count, severity):
    (found,) = describe_odd_ones(an_unlabelled_half(), OddOnes(np.arange(count), np.ones(count), 200))
    assert found.severity == severity
    assert found.weight == pytest.approx(100 * count / 200)
    assert not any(mark.leave_out for mark in found.marks)
