"""Labels of the data among the classes of the model."""

import numpy as np
import pytest

from striate.classifier.unseen import labels_among
from striate.data.imageset import ImageSet
from striate.errors import DataError


def images(*classes):
    n = len(classes)
    pixels, names = np.zeros((n, 2, 2, 1), np.uint8), [str(i) for i in range(n)]
    return ImageSet(pixels, np.arange(n), np.arange(n), classes, names, np.arange(n, dtype=np.uint64), np.full(n, ""))


def test_names_that_are_equal_need_no_word():
    labels, notes = labels_among(images("b", "a"), ("a", "b"))
    assert (labels.tolist(), notes) == ([1, 0], ())


@pytest.mark.parametrize("written", [("0", "42"), ("0.0", "42.0"), ("000", "042")])
def test_numbers_are_matched_and_said(written):
    labels, notes = labels_among(images(*written), ("00000", "00007", "00042"))
    assert labels.tolist() == [0, 2]
    assert notes == (
        f"labels are matched to the model's classes as numbers: {written[0]} is 00000, {written[1]} is 00042",
    )


def test_a_number_that_two_classes_are_is_not_matched():
    with pytest.raises(DataError, match=r"the data has a class that the model does not know: 1\.0"):
        labels_among(images("1.0"), ("1", "01"))


@pytest.mark.parametrize(("name", "what"), [("Cat", "case"), ("c at", "blanks, hyphens or underscores")])
def test_a_name_that_is_nearly_known_is_pointed_at(name, what):
    with pytest.raises(DataError, match=f"{name} and cat differ only in {what}: give them one name"):
        labels_among(images(name), ("cat", "dog"))
