"""Temperatures against a search of their own, kept only where held-out folds agree."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from striate.errors import ShapeError
from striate.metrics.calibration import FEWEST, fit_temperature, softmax_at


def drawn(n, k=4, seed=0, sharpness=2.0):
    """Logits, and labels drawn from their own softmax: calibrated as they are."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(n, k))
    return logits, (softmax(logits, 1).cumsum(1) > rng.uniform(size=(n, 1))).argmax(1)


@pytest.mark.parametrize("factor", [0.3, 2.0, 8.0])
def test_it_finds_the_factor_by_which_logits_are_off(factor):
    logits, labels = drawn(2000)
    found = fit_temperature(factor * logits, labels)
    assert found.kept
    assert found.value == pytest.approx(factor, rel=0.1)
    assert found.log_loss_after < found.log_loss_before
    grid = np.geomspace(0.2, 10, 400)
    rows = np.arange(len(labels))
    losses = [-log_softmax(factor * logits / t, 1)[rows, labels].mean() for t in grid]
    assert found.value == pytest.approx(grid[np.argmin(losses)], rel=0.02)


def test_what_held_out_folds_do_not_confirm_is_left():
    left = 0
    for seed in range(20):
        found = fit_temperature(*drawn(60, seed=seed))
        assert found.kept == (found.log_loss_after < found.log_loss_before)
        assert (found.value == 1.0) == (not found.kept)
        left += not found.kept
    assert left >= 8


def test_groups_stay_in_one_fold():
    """Copies of an image tell nothing new: a temperature that fits noise must not be confirmed by its own copies."""
    kept = {"grouped": 0, "alone": 0}
    for seed in range(20):
        logits, labels = drawn(FEWEST + 10, seed=seed)
        logits, labels, groups = (np.repeat(one, 20, axis=0) for one in (logits, labels, np.arange(len(labels))))
        kept["grouped"] += fit_temperature(logits, labels, groups).kept
        kept["alone"] += fit_temperature(logits, labels).kept
    assert kept["alone"] >= 14
    assert kept["grouped"] <= kept["alone"] - 3


@pytest.mark.parametrize(("n", "groups", "why"), [(0, None, "no validation"), (19, None, "19 validation images"),
                                                  (100, 5, "5 validation groups")])  # fmt: skip
def test_too_few_images_leave_it(n, groups, why):
    logits, labels = drawn(n)
    found = fit_temperature(5 * logits, labels, None if groups is None else np.arange(n) % groups)
    assert (found.value, found.kept) == (1.0, False)
    assert why in found.why


def test_softmax_at():
    logits = np.random.default_rng(0).normal(size=(50, 7)) * 30
    np.testing.assert_allclose(softmax_at(logits, 2.5), softmax(logits / 2.5, 1), rtol=2e-4, atol=1e-7)
    assert softmax_at(np.zeros((0, 3)), 1.0).shape == (0, 3)


def test_shapes_are_checked():
    with pytest.raises(ShapeError, match="logits must be"):
        fit_temperature(np.zeros((3, 2)), np.zeros(4, int))
