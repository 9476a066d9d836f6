"""Features that are computed as they are asked for are those of each image, whatever was asked for before."""

import numpy as np
import pytest

import striate
from striate.classifier.feature_bank import FeatureBank
from striate.classifier.features import extract, net_features


@pytest.fixture(scope="module")
def tapped(digits_model):
    return net_features(digits_model, "digits").model


@pytest.fixture(scope="module")
def images():
    return striate.prepare(striate.read("digits")).subset(np.arange(300))


@pytest.fixture(scope="module")
def expected(tapped, images):
    return extract(tapped, images)


def test_subsets_in_any_order_get_their_own_rows(tapped, images, expected):
    bank, rng = FeatureBank(tapped, images), np.random.default_rng(0)
    for count in (7, 120, 300):
        rows = rng.permutation(300)[:count]
        assert bank.of(images.subset(rows)) == pytest.approx(expected[rows], abs=1e-4)


def test_what_is_there_is_told_and_not_computed_again(tapped, images, expected):
    bank, heard = FeatureBank(tapped, images), []
    rows = np.array([250, 3, 3, 17])
    bank.fill(rows, progress=lambda what, done, total: heard.append((done, total)))
    assert heard[-1] == (3, 3)
    assert bank.missing(np.arange(300)) == 297
    assert bank.known(np.array([0, 3, 250, 9])).tolist() == [3, 250]
    there = bank.of_which_known(images.subset(np.array([9, 17, 3])))
    assert list(there.names) == [images.names[17], images.names[3]]
    heard.clear()
    assert bank.of(images.subset(rows)) == pytest.approx(expected[rows], abs=1e-4)
    assert heard == []


def test_a_moment_that_is_over_leaves_what_was_computed_and_no_false_rows(tapped, images, expected, monkeypatch):
    monkeypatch.setattr("striate.classifier.feature_bank.images_at_once", lambda *_: 50)
    bank, order = FeatureBank(tapped, images), np.arange(300)[::-1].copy()
    bank.fill(order, until=0.0)
    assert sorted(bank.known(order).tolist()) == list(range(250, 300))
    assert bank.missing(order) == 250
    assert bank.of(images) == pytest.approx(expected, abs=1e-4)
