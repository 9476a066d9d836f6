"""Splits that differ are told apart, splits of one source are not, and the figures are those of scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.checks.pictures_of import examined_of, patches

from striate.checks.shift import _area_under_curve, _holm, find_shifts


def test_area_and_its_error():
    rng = np.random.default_rng(0)
    positive, negative = rng.normal(0.5, 1, 60).round(1), rng.normal(0, 1, 90).round(1)
    area, error = _area_under_curve(positive, negative)
    truth = np.repeat([1, 0], [60, 90])
    assert area == pytest.approx(roc_auc_score(truth, np.concatenate([positive, negative])))
    drawn = [
        _area_under_curve(rng.normal(0.5, 1, 60), rng.normal(0, 1, 90))[0] for _ in range(400)
    ]  # as often as it is repeated, it varies as much as the error says
    assert error == pytest.approx(np.std(drawn), rel=0.15)


@pytest.mark.parametrize(
    ("p", "kept"),
    [
        ([0.0001, 0.2], [True, False]),
        ([0.0004, 0.0009], [True, True]),  # 0.0004 · 2 < 0.001, then 0.0009 · 1 < 0.001
        ([0.0006, 0.0009], [False, False]),  # 0.0006 · 2 > 0.001, and nothing after it
        ([], []),
    ],
)
def test_correction_for_many_tests(p, kept):
    assert _holm(np.array(p)).tolist() == kept


def a_source(seed, change=None, shares=(0.5, 0.5), count=240):
    rng = np.random.default_rng(seed)
    images = np.stack([patches(rng) for _ in range(count)])
    splits = np.where(np.arange(count) % 3 == 0, "test", "train").astype("U5")
    labels = (rng.random(count) < np.where(splits == "test", *shares)).astype(np.int64)
    if change is not None:
        images[splits == "test"] = change(images[splits == "test"])
    return images, labels, splits


@pytest.mark.parametrize("seed", range(4))
def test_splits_of_one_source_do_not_differ(seed):
    assert find_shifts(examined_of(*a_source(seed))) == []


def test_darker_test_images_are_seen():
    (finding,) = find_shifts(examined_of(*a_source(0, lambda images: images // 2)))
    assert (finding.kind, finding.severity) == ("shift", "serious")
    assert finding.figures["differences"]["domain_auc"] > 0.95
    assert "darker" in finding.title
    assert finding.figures["split"] == "test"


def test_a_difference_in_one_corner_is_seen_by_the_classifier_alone():
    def stamped(images):
        stamped = images.astype(int)
        stamped[:, :8, :8] += 60  # a stamp in a corner, bright and dark
        stamped[:, :8, 8:16] -= 60
        return stamped.clip(0, 255).astype(np.uint8)

    (finding,) = find_shifts(examined_of(*a_source(1, stamped)))
    assert set(finding.figures["differences"]) == {"domain_auc"}


def test_other_shares_of_classes_are_seen():
    (finding,) = find_shifts(examined_of(*a_source(2, shares=(0.8, 0.3))))
    assert set(finding.figures["differences"]) == {"class_shares"}
    assert finding.severity == "warning"


def test_copies_count_once():
    images, labels, splits = a_source(3, shares=(1.0, 0.5), count=90)
    alone = np.flatnonzero(splits == "test")[:12]  # too few images, however often they are repeated
    groups = np.arange(90)
    groups[splits == "test"] = alone[np.arange((splits == "test").sum()) % 12]
    assert find_shifts(examined_of(images, labels, splits, groups=groups)) == []


def test_a_source_without_splits_of_its_own_has_no_shift():
    images, labels, _ = a_source(0, lambda images: images // 2)
    assert find_shifts(examined_of(images, labels)) == []
