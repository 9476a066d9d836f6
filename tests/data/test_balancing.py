import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from striate.data.balancing import class_weights, draw_evenly

LABELS = st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 3]), min_size=1, max_size=80).map(np.array)


@given(LABELS)
def test_weights_are_scikit_learns_and_one_in_the_mean(labels):
    weights, present = class_weights(labels, 5), np.unique(labels)
    assert weights[present] == pytest.approx(compute_class_weight("balanced", classes=present, y=labels))
    assert weights[labels].mean() == pytest.approx(1)
    assert np.array_equal(np.delete(weights, present), np.ones(5 - len(present)))


@given(LABELS, st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_has_each_class_as_often_and_each_of_its_images(labels, seed, epoch):
    drawn = draw_evenly(labels, seed, epoch)
    assert len(drawn) == len(labels)
    often = np.bincount(labels[drawn], minlength=5)[np.unique(labels)]
    assert often.max() - often.min() <= 1
    for c in np.unique(labels):
        times = np.bincount(drawn, minlength=len(labels))[labels == c]
        assert times.max() - times.min() <= 1
    assert np.array_equal(drawn, draw_evenly(labels, seed, epoch))


def test_frequent_classes_show_other_images_each_epoch():
    labels = np.array([0] * 90 + [1] * 10)
    epochs = [set(draw_evenly(labels, 0, epoch).tolist()) for epoch in range(6)]
    assert epochs[0] != epochs[1]
    assert len(set.union(*epochs)) > 95  # of 90 frequent ones half are drawn each time
