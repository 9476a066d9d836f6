"""Held-out discriminants are scikit-learn's of the other folds, and no image has a say in its own."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from striate.checks import held_out as module
from striate.checks.held_out import Discriminant, held_out, standardised
from striate.data.splitting import fold_rows


def blobs(n=120, classes=3, d=6, apart=3.0, seed=0):
    """Features float32 (n, d) of well separated classes, and their labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = random.normal(size=(classes, d)) * apart
    return (centres[labels] + random.normal(size=(n, d))).astype(np.float32), labels


HASHES = np.arange(10_000, dtype=np.uint64) * 7919


@pytest.mark.parametrize("shrinkage", [0.1, 0.6])
def test_discriminants_are_those_of_scikit_learn(shrinkage):
    features, labels = blobs(apart=0.5)
    labels[:30] = 0  # classes of different size
    ours = Discriminant.taught_by(features, labels, 3, shrinkage).logits(features)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(features, labels)
    np.testing.assert_allclose(ours, theirs.decision_function(features), atol=2e-3)


def test_each_image_is_judged_by_the_other_folds():
    features, labels = blobs()
    features = standardised(features)[0]
    answers = held_out(features, labels, HASHES[:120], seed=3)
    for train, valid in fold_rows(HASHES[:120], labels, None, 5, 3):
        judge = Discriminant.taught_by(features[train], labels[train], 3, answers.shrinkage)
        np.testing.assert_allclose(answers.logits[valid], judge.logits(features[valid]), atol=1e-3)
    assert answers.taught.all()
    assert np.array_equal(np.take_along_axis(answers.candidates, answers.given[:, None], 1)[:, 0], labels)


def test_a_label_has_no_say_in_the_answer_on_its_image_or_its_copies():
    features, labels = blobs(apart=0.3)
    groups = np.arange(120) // 2  # an image and its near copy, of two classes
    before = held_out(features, labels, HASHES[:120], groups)
    # The two labels change places, so that the folds, which are dealt by class, stay the same.
    changed = labels.copy()
    changed[[0, 1]] = labels[[1, 0]]
    after = held_out(features, changed, HASHES[:120], groups)
    if before.shrinkage == after.shrinkage:
        np.testing.assert_allclose(before.logits[:2], after.logits[:2], atol=1e-4)
    assert np.abs(before.logits - after.logits).max() > 1e-3


def test_of_many_classes_the_nearest_and_the_own_are_kept(monkeypatch):
    features, labels = blobs(200, classes=40, apart=1.0)
    labels[5] = 39 if labels[5] != 39 else 38  # far from its images
    every = held_out(features, labels, HASHES[:200])
    monkeypatch.setattr(module, "MOST_CLASSES", 4)
    few = held_out(features, labels, HASHES[:200])
    assert few.logits.shape == (200, 4)
    for i in range(200):
        kept = dict(zip(few.candidates[i].tolist(), few.logits[i].tolist(), strict=True))
        whole = dict(zip(every.candidates[i].tolist(), every.logits[i].tolist(), strict=True))
        assert labels[i] in kept
        assert few.candidates[i, few.given[i]] == labels[i]
        assert max(whole, key=whole.get) in kept
        assert all(abs(whole[c] - logit) < 1e-4 for c, logit in kept.items())


def test_a_class_of_one_image_is_known_to_be_untaught():
    features, labels = blobs()
    labels[7] = 5  # a class of its own; classes 3 and 4 have no image
    answers = held_out(features, labels, HASHES[:120])
    assert np.flatnonzero(~answers.taught).tolist() == [7]
    assert set(np.unique(answers.candidates)) == {0, 1, 2, 5}
    twins = HASHES[:120].copy()
    labels[8], twins[8] = 5, twins[7]  # its other image is a copy
    assert np.flatnonzero(~held_out(features, labels, twins).taught).tolist() == [7, 8]


def test_standardised():
    features = np.array([[1, 5, 2], [3, 5, 4], [5, 5, 9]], np.float32)
    scaled, mean, scale = standardised(features)
    np.testing.assert_allclose(scaled[:, [0, 2]].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled[:, [0, 2]].std(0), 1, rtol=1e-5)
    assert (scaled[:, 1] == 0).all()
    np.testing.assert_allclose((features - mean) / scale, scaled)
