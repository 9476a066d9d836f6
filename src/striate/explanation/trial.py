"""Deletion and insertion: is the answer where a map says it is, more than where random maps say?

The places that a map marks most are hidden, and the answer should go; they alone are shown, and it should stay. A map's
score is what stays less what is left, from −1 to 1, and is held against those of random maps as smooth as maps are.

Source: Petsiuk et al. 2018, "RISE", there by probability and without anything to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from striate.explanation.subject import Subject, log_odds

# The shares of the image that are hidden, or shown alone: what a map says of its first places counts most.
LEVELS = (0.1, 0.25, 0.5)
RANDOM_MAPS = 19
# How smooth random maps are, in shares of the shorter side; each its own, between these.
_SMOOTH = (1 / 12, 1 / 5)
# A blob in the middle has this spread, in shares of each side.
_BLOB_SHARE = 1 / 4


@dataclass(frozen=True)
class MapTrial:
    """How a map did.

    Arguments:
        deletion: the share of the evidence that is left when what it marks is hidden, averaged over levels; 0 is best.
        insertion: the share that is there when only what it marks is shown; 1 is best.
    """

    deletion: float
    insertion: float

    @property
    def score(self) -> float:
        """Insertion less deletion, −1 to 1."""
        return self.insertion - self.deletion


@dataclass(frozen=True, eq=False)
class Rivals:
    """What a map is held against: random maps, which it has to beat, and two that know no model.

    Arguments:
        random: of each random map.
        blob: of a blob in the middle.
        contrast: of how much hiding changes each pixel.
    """

    random: tuple[MapTrial, ...]
    blob: MapTrial
    contrast: MapTrial

    def p_value(self, trial: MapTrial) -> float:
        """Return how often a random map would do as well by chance: (1 + those that do) / (1 + all)."""
        as_good = sum(one.score >= trial.score for one in self.random)
        return (1 + as_good) / (1 + len(self.random))


def answers_by_maps(subject: Subject, maps: np.ndarray) -> np.ndarray:
    """Return a model's logits, float64 (n, 2, levels, k), where maps (n, h, w) hide an image, and where they show it.

    They serve for any class that is asked about.
    """
    if not len(maps):
        return np.zeros((0, 2, len(LEVELS), len(subject.logits)))
    first = rank_places(maps)[:, None] < np.array(LEVELS)[None, :, None, None]  # the places that a map marks most
    hide = np.stack([first, ~first], 1)
    logits = subject.answers_without(hide.reshape(-1, *subject.size))
    return logits.reshape(*hide.shape[:3], -1)


def judge_maps(subject: Subject, logits: np.ndarray) -> list[MapTrial]:
    """Return how maps do by the logits that `answers_by_maps` gives, for the class of `subject`."""
    shares = subject.shares(log_odds(logits.reshape(-1, logits.shape[-1]), subject.target)).reshape(logits.shape[:3])
    return [MapTrial(float(deleted.mean()), float(inserted.mean())) for deleted, inserted in shares]


def rivals_of(subject: Subject) -> np.ndarray:
    """Return the random maps of an image, the blob, and last its contrast, float64 (n, h, w)."""
    size = subject.size
    return np.concatenate([
        random_maps(size, RANDOM_MAPS), middle_blob(size)[None], subject.on_pixels(np.ones(size))[None]
    ])  # fmt: skip


def judge_rivals(subject: Subject, logits: np.ndarray) -> Rivals:
    """Return how the maps of `rivals_of` do, by their `answers_by_maps`."""
    *random, blob, contrast = judge_maps(subject, logits)
    return Rivals(tuple(random), blob, contrast)


def rank_places(maps: np.ndarray) -> np.ndarray:
    """Return for each pixel of maps (n, h, w) the share of pixels that the map marks more, 0 … below 1.

    Equal values are put in an order that has nothing to do with where they are.
    """
    n, pixels = len(maps), maps[0].size
    lots = np.random.default_rng(0).permutation(pixels)
    ranks = np.empty((n, pixels), np.float32)
    for row, values in zip(ranks, maps.reshape(n, -1), strict=True):
        row[np.lexsort((lots, -values))] = np.arange(pixels, dtype=np.float32) / pixels
    return ranks.reshape(maps.shape)


def random_maps(size: tuple[int, int], count: int, seed: int = 0) -> np.ndarray:
    """Return smooth random maps of an image's (h, w), float64 (count, h, w), that know nothing of it."""
    rng = np.random.default_rng([seed, *size])
    spreads = min(size) * np.geomspace(*_SMOOTH, count)
    return np.stack([gaussian_filter(rng.normal(size=size), spread, mode="reflect") for spread in spreads])


def middle_blob(size: tuple[int, int]) -> np.ndarray:
    """Return a blob in the middle of an image's (h, w), float64 (h, w): where most objects are."""
    down, right = (np.linspace(-1, 1, side) / (2 * _BLOB_SHARE) for side in size)
    return np.exp(-(down[:, None] ** 2 + right[None] ** 2) / 2)
