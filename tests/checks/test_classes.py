"""Small and uneven classes, counted in images that are independent of each other."""

import numpy as np
import pytest
from tests.checks.pictures_of import examined_of, patches

from striate.checks.classes import find_small_classes, find_untrainable


def of_sizes(*sizes, groups=None):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    images = np.stack([patches(np.random.default_rng(i), 8, 8) for i in range(len(labels))])
    return examined_of(images, labels, groups=groups)


def told(*sizes, groups=None):
    return {one.kind: one for one in find_small_classes(of_sizes(*sizes, groups=groups))}


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((50, 40), {}),
        ((50, 10), {"imbalance": "note"}),
        ((50, 9), {"imbalance": "note", "small-class": "warning"}),
        ((50, 2), {"imbalance": "warning", "small-class": "serious"}),
        ((12, 11, 3), {"imbalance": "note", "small-class": "warning"}),
    ],
)
def test_sizes_of_classes(sizes, expected):
    assert {kind: one.severity for kind, one in told(*sizes).items()} == expected


def test_copies_make_no_class_larger():
    groups = np.concatenate([np.arange(20), np.full(20, 20)])
    found = told(20, 20, groups=groups)["small-class"]
    assert found.figures["classes"] == {"b": 1}
    assert found.severity == "serious"
    assert len(found.images) == 20


def test_what_a_training_would_refuse():
    (finding,) = find_untrainable(of_sizes(12).catalog)
    assert (finding.kind, finding.severity) == ("untrainable", "serious")
    assert "two classes" in finding.title
    unlabelled = examined_of(np.zeros((5, 8, 8, 1), np.uint8), np.full(5, -1))
    (finding,) = find_untrainable(unlabelled.catalog)
    assert (finding.kind, finding.severity) == ("unlabelled", "note")
    assert find_untrainable(of_sizes(12, 12).catalog) == []
