"""None of these: from which score on an image is like none that the model has learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.classifier.novelty.appearance import appearance
from striate.classifier.novelty.detectors import (
    Detector,
    Seen,
    describe_detector,
    rebuild_detector,
    sources_of,
)
from striate.errors import ModelFileError

# Of each detector's scores of the validation images so many are kept, evenly in their order.
KEPT = 1000
FALSE_ALARM = 0.05


@dataclass(frozen=True, eq=False)
class Novelty:
    """What tells images that are none of the classes.

    Each detector's score becomes the share of validation images with as high a score; the sum of the logarithms of
    these shares, sign turned, is the score of all (Fisher's way of joining tests).

    Arguments:
        detectors: at least one.
        ranked: for each detector, ascending float32 (r,): its scores of validation images.
        limit: an image with a higher joint score is none of these.
        false_alarm: the share of images of the classes of which that is said wrongly.
    """

    detectors: tuple[Detector, ...]
    ranked: tuple[np.ndarray, ...]
    limit: float
    false_alarm: float = FALSE_ALARM

    @property
    def name(self) -> str:
        """What people call it."""
        return " + ".join(one.name for one in self.detectors)

    def scores(self, seen: Seen, logits: np.ndarray) -> np.ndarray:
        """Return float64 (n,), the joint score of images.

        Arguments:
            seen: what was seen of them by name, see `striate.classifier.outputs`, and their `appearance`.
            logits: float (n, k), of the images alone, before any temperature.
        """
        each = [one.scores(seen, logits) for one in self.detectors]
        return joint(each, self.ranked)

    def known(self, pixels: np.ndarray, features: Seen, logits: np.ndarray) -> np.ndarray:
        """Return bool (n,), which images are like some that the model has learned.

        Arguments:
            pixels: uint8 (n, h, w, c), as the net is given them.
            features, logits: see `scores`.
        """
        looks = {"appearance": appearance(pixels)} if "appearance" in sources_of(self.detectors) else {}
        return self.scores({**features, **looks}, logits) <= self.limit

    def describe(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a model file says of it: plain values, and arrays by name."""
        told, tensors = [], {}
        for i, (one, ranked) in enumerate(zip(self.detectors, self.ranked, strict=True)):
            said, arrays = describe_detector(one, f"novelty.{i}")
            told.append(said)
            tensors |= {**arrays, f"novelty.{i}.ranked": ranked.astype(np.float32)}
        return {"detectors": told, "limit": self.limit, "false_alarm": self.false_alarm}, tensors

    @classmethod
    def rebuilt(cls, said: Any, tensors: dict[str, np.ndarray]) -> Novelty:
        """Return what `describe` described; its arrays are taken out of `tensors`.

        Raises:
            ModelFileError: anything missing or that does not fit.
        """
        if not isinstance(said, dict) or not isinstance(said.get("detectors"), list) or not said["detectors"]:
            raise ModelFileError("it does not say what tells images of no class")
        limit, false_alarm = said.get("limit"), said.get("false_alarm")
        if not all(isinstance(one, int | float) and np.isfinite(one) for one in (limit, false_alarm)):
            raise ModelFileError("the limit of images of no class must be a number")
        detectors, ranked = [], []
        for i, one in enumerate(said["detectors"]):
            detectors.append(rebuild_detector(one, tensors, f"novelty.{i}"))
            values = tensors.pop(f"novelty.{i}.ranked", None)
            if values is None or values.ndim != 1 or not len(values) or (np.diff(values) < 0).any():
                raise ModelFileError(f"novelty.{i}.ranked must ascend")
            ranked.append(values)
        return cls(tuple(detectors), tuple(ranked), float(limit), float(false_alarm))  # pyright: ignore[reportArgumentType]


def joint(scores: Sequence[np.ndarray], ranked: Sequence[np.ndarray]) -> np.ndarray:
    """Return the joint score float64 (n,) of each detector's scores (n,), ranked among those of validation images."""
    total = np.zeros(len(scores[0]))
    for values, known in zip(scores, ranked, strict=True):
        above = len(known) - np.searchsorted(known, values.astype(np.float32), side="left")
        total -= np.log((above + 1) / (len(known) + 1))
    return total


def ranking(scores: np.ndarray) -> np.ndarray:
    """Return the scores that are kept of validation images, ascending float32 (r,)."""
    ordered = np.sort(scores.astype(np.float32))
    if len(ordered) <= KEPT:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, KEPT).round().astype(int)]
