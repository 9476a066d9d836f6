"""How many labels are wrong, and which: a mixture of what a head says and of labels that are wrong whatever it says.

An image that a head knows for sure is wrongly labelled as often as any other, and a head that never saw its label
cannot know. So where held-out answers are surest and labels still disagree, labels are wrong; where answers are unsure,
disagreement tells little. Both are fitted at once, by maximum likelihood:

    P(label i | image) = Σ_j s_j R_ji        s = softmax(β · logits)        R_ji = (1 − ε) δ_ij + ε / k

β calibrates the head and ε is the share of labels that were drawn at random. Then R learns which classes are taken for
which, as far as the images of a class outweigh what ε says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.checks.held_out import HeldAnswers

# What is presumed before any image was seen: one label in fifty is wrong, held as firmly as fifty images would show it.
PRESUMED_WRONG, PRESUMED_IMAGES = 0.02, 50.0
# A class's own confusions count as those of so many images that go by ε alone.
PRESUMED_OF_CLASS = 200.0
# With more classes each has too few images to show whom it is taken for.
MOST_CONFUSABLE = 100
_ROUNDS, _MOST_FITTED = 30, 20_000


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """What is believed of each of n labels.

    Arguments:
        wrong: float64 (n,), the probability that the label is wrong.
        likely: int64 (n,), the class that the image most probably is of if the label is wrong.
        scale: β, by which the discriminants are to be multiplied.
        rate: ε, the share of labels drawn at random.
    """

    wrong: np.ndarray
    likely: np.ndarray
    scale: float
    rate: float


def fit_noise(answers: HeldAnswers) -> LabelNoise:
    """Return which labels are probably wrong, from what a head said of images that had not taught it.

    Source: class-conditional label noise (Angluin and Laird 1988; Patrini et al. 2017, whose transition matrix is R),
    the matrix by expectation maximisation as for annotators (Dawid and Skene 1979). Confident learning (Northcutt et
    al. 2021) counts the same by thresholds; of labels planted wrong it found about as many, and listed up to six times
    as many as there were, see `bench/suspects.py`.
    """
    scale, rate = _fit_two(answers)
    says = _softmax(scale * answers.logits.astype(np.float64))
    classes = says.shape[1]
    if classes > MOST_CONFUSABLE or (answers.candidates != answers.candidates[:1]).any():
        true = says * (rate / classes)
        np.put_along_axis(
            true, answers.given[:, None], answers.of_given(says)[:, None] * (1 - rate + rate / classes), 1
        )
    else:
        true = says * _confusions(says, answers.given, rate)[:, answers.given].T
    true /= true.sum(1, keepdims=True)
    wrong = 1 - answers.of_given(true)
    np.put_along_axis(true, answers.given[:, None], -1.0, 1)
    likely = np.take_along_axis(answers.candidates, true.argmax(1)[:, None], 1)[:, 0]
    return LabelNoise(wrong, likely, scale, rate)


def _fit_two(answers: HeldAnswers) -> tuple[float, float]:
    """Return β and ε of the greatest posterior probability; of very many images from evenly chosen ones."""
    from scipy.optimize import minimize
    from scipy.special import expit

    some = np.unique(np.linspace(0, len(answers.given) - 1, _MOST_FITTED).astype(np.int64))
    logits, own = answers.logits[some].astype(np.float64), answers.of_given(answers.logits)[some]
    shifted, classes = logits - own[:, None], logits.shape[1]

    def loss(values: np.ndarray) -> float:
        rate = expit(values[1])
        with np.errstate(over="ignore"):
            says = 1 / np.exp(np.exp(values[0]) * shifted).sum(1)
        fits = np.log((1 - rate) * says + rate / classes)
        prior = PRESUMED_WRONG * np.log(rate) + (1 - PRESUMED_WRONG) * np.log1p(-rate)
        return -float(fits.sum() + PRESUMED_IMAGES * prior)

    # Discriminants of few images with many features are thousands apart, of many with few below ten.
    apart = np.where(np.isfinite(shifted), np.abs(shifted), 0.0).max(1)
    usual = -np.log(max(float(np.median(apart)), 1e-6))
    starts = [np.array([usual + scale, rate]) for scale in np.arange(-3.0, 4.6) for rate in (-6.0, -4.5, -3.0, -1.5)]
    best = minimize(loss, min(starts, key=loss), method="Nelder-Mead")
    return float(np.exp(best.x[0])), float(expit(best.x[1]))


def _confusions(says: np.ndarray, given: np.ndarray, rate: float) -> np.ndarray:
    """Return R (k, k): how often an image of class j is labelled i, by expectation maximisation."""
    n, classes = says.shape
    presumed = np.full((classes, classes), rate / classes) + (1 - rate) * np.eye(classes)
    labelled = np.zeros((n, classes))
    labelled[np.arange(n), given] = 1
    matrix = presumed
    for _ in range(_ROUNDS):
        true = says * matrix[:, given].T
        true /= true.sum(1, keepdims=True)
        counts = true.T @ labelled
        matrix = (counts + PRESUMED_OF_CLASS * presumed) / (counts.sum(1, keepdims=True) + PRESUMED_OF_CLASS)
    return matrix


def _softmax(logits: np.ndarray) -> np.ndarray:
    from scipy.special import softmax

    return softmax(logits, axis=1)
