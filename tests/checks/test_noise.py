"""What is said of labels holds: rates are found, and of labels said to be wrong with 80 % about 80 % are."""

from dataclasses import replace

import numpy as np
import pytest

from striate.checks import noise as module
from striate.checks.held_out import HeldAnswers
from striate.checks.noise import fit_noise


def simulated(n=4_000, classes=5, rate=0.05, how="chance", sharpness=4.0, seed=0):
    """Answers of a calibrated head whose logits are half of what they should be, and which labels are wrong."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(n, classes)) * sharpness
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    true = (chances.cumsum(1) > random.random((n, 1))).argmax(1)
    wrong = random.random(n) < rate
    step = random.integers(1, classes, n) if how == "chance" else 1
    given = np.where(wrong, (true + step) % classes, true)
    candidates = np.tile(np.arange(classes), (n, 1))
    return HeldAnswers((logits / 2).astype(np.float32), candidates, given, np.ones(n, bool)), wrong, true


@pytest.mark.parametrize("how", ["chance", "pairs"])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_rates_are_found_and_probabilities_hold(rate, how):
    answers, wrong, _ = simulated(rate=rate, how=how)
    found = fit_noise(answers)
    # Of pairs at a fifth the uniform share takes some for doubt: it says too little rather than too much.
    least = 0.4 if (rate, how) == (0.2, "pairs") else 0.75
    assert least * wrong.sum() < found.wrong.sum() < 1.3 * wrong.sum() + 10
    order = np.argsort(-found.wrong)
    first = order[: wrong.sum()]
    assert wrong[first].mean() > found.wrong[first].mean() - 0.1
    if least > 0.5:
        assert wrong[first].mean() < found.wrong[first].mean() + 0.12


def test_a_head_in_doubt_makes_no_wrong_labels():
    answers, *_ = simulated(rate=0.0, sharpness=1.0)  # half of its first guesses are false
    found = fit_noise(answers)
    assert (answers.logits.argmax(1) != answers.given).mean() > 0.4
    assert (found.wrong > 0.3).mean() < 0.005


def test_the_scale_calibrates():
    answers, *_ = simulated(rate=0.05)
    assert fit_noise(answers).scale == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("factor", [1e-3, 1e4, 1e5])
def test_logits_of_any_scale_say_the_same(factor):
    """Discriminants of sixty images with a thousand features are thousands apart: that is no surety."""
    answers, *_ = simulated(n=200, rate=0.0)
    found = fit_noise(answers)
    scaled = fit_noise(replace(answers, logits=answers.logits * np.float32(factor)))
    assert scaled.scale * factor == pytest.approx(found.scale, rel=0.02)
    assert scaled.wrong == pytest.approx(found.wrong, abs=0.02)
    assert scaled.wrong.sum() < 2


def test_the_likely_class_is_another_one_and_mostly_the_true_one():
    answers, wrong, true = simulated(rate=0.1)
    found = fit_noise(answers)
    sure = wrong & (found.wrong > 0.8)
    assert sure.sum() > 100
    assert (found.likely != answers.given).all()
    assert (found.likely == true)[sure].mean() > 0.8


def test_few_images_are_presumed_to_be_labelled_well():
    answers, *_ = simulated(n=12, rate=0.0, classes=2)
    assert fit_noise(answers).wrong.sum() < 1


def test_confusions_need_images_of_a_class(monkeypatch):
    """With few images of a class the matrix is what the share says; without a matrix likewise."""
    answers, *_ = simulated(n=300, rate=0.05)
    by_matrix = fit_noise(answers).wrong
    monkeypatch.setattr(module, "MOST_CONFUSABLE", 1)
    without = fit_noise(answers).wrong
    assert np.corrcoef(by_matrix, without)[0, 1] > 0.9
    monkeypatch.setattr(module, "MOST_CONFUSABLE", 100)
    monkeypatch.setattr(module, "PRESUMED_OF_CLASS", 1e9)
    np.testing.assert_allclose(fit_noise(answers).wrong, without, atol=1e-5)


def test_it_is_the_same_twice():
    answers, *_ = simulated(n=500)
    first, second = fit_noise(answers), fit_noise(answers)
    assert np.array_equal(first.wrong, second.wrong)
    assert (first.scale, first.rate) == (second.scale, second.rate)
