import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from striate.baselines.registry import fit_head
from striate.errors import ArgumentError

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS, LABELS = DIGITS.astype(np.float32), LABELS.astype(np.int64)


def scores(name, features, labels, classes):
    head = fit_head(name, features, labels, features[:0], labels[:0], classes)
    return features @ head.weight.numpy().T + head.bias.numpy()


@pytest.mark.parametrize("count", [1000, 60], ids=["more images than features", "fewer images than features"])
@pytest.mark.parametrize("shrinkage", [0.1, 0.9])
def test_it_is_linear_discriminant_analysis_with_a_shrunk_covariance(count, shrinkage):
    features = np.concatenate([DIGITS[:count], DIGITS[:count] ** 2 / 16], 1)
    labels = LABELS[:count]
    oracle = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(features, labels)
    theirs, ours = oracle.decision_function(features), scores(f"lda(shrinkage={shrinkage})", features, labels, 10)
    # Scores are told apart by their differences alone, and without validation images by one factor.
    theirs, ours = (rows - rows.mean(1, keepdims=True) for rows in (theirs, ours))
    np.testing.assert_allclose(ours / ours.std(), theirs / theirs.std(), atol=2e-3)


def test_one_image_a_class_leaves_the_nearest():
    first = np.array([np.flatnonzero(k == LABELS)[0] for k in range(10)])
    head = fit_head("lda", DIGITS[first], LABELS[first], DIGITS[:0], LABELS[:0], 10)
    nearest = ((DIGITS[:, None] - DIGITS[first]) ** 2).sum(2).argmin(1)
    found = (DIGITS @ head.weight.numpy().T + head.bias.numpy()).argmax(1)
    assert (found == nearest).mean() > 0.999


def test_shrinkage_is_a_share():
    with pytest.raises(ArgumentError, match=r"shrinkage must be above 0 and at most 1; got 2\.0"):
        fit_head("lda(2)", DIGITS[:100], LABELS[:100], DIGITS[:0], LABELS[:0], 10)


def test_without_images_to_choose_by_it_is_as_sure_as_it_is_right():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 3000))

    def draw(each):
        labels = np.repeat(np.arange(4), each)
        return (0.06 * centres[labels] + rng.normal(size=(len(labels), 3000))).astype(np.float32), labels

    features, labels = draw(12)
    model = fit_head("lda", features, labels, features[:0], labels[:0], 4)
    found, truth = draw(500)
    said = model(torch.from_numpy(found)).softmax(1).numpy()
    right = (said.argmax(1) == truth).mean()
    assert 0.35 < right < 0.7
    assert abs(said.max(1).mean() - right) < 0.12


def test_one_example_of_a_class_is_no_trouble():
    features = np.eye(5, 8, dtype=np.float32)
    for labels in (np.array([0, 1, 2, 3, 4]), np.array([0, 0, 0, 1, 2])):
        model = fit_head("lda", features, labels, features[:0], labels[:0], int(labels.max()) + 1)
        assert (model(torch.from_numpy(features)).argmax(1).numpy() == labels).all()
