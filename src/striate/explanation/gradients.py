"""Integrated gradients: each pixel's part in the difference between the image and the image hidden.

Source: Sundararajan, Taly, Yan 2017, "Axiomatic Attribution for Deep Networks".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from striate.explanation.subject import Subject, as_batch, class_contrast, differentiating

# The way from the hidden image is walked in so many steps, and, of small images, in twice as many until they add up to
# the difference.
_FIRST_STEPS = {True: 16, False: 24}
_MOST_STEPS = {True: 128, False: 24}
_QUICK_STEPS = 8
_SMALL_PX = 64
COMPLETE = 0.1
_AT_ONCE_PIXELS = 400_000
_SMOOTH_SHARE = 1 / 20


@dataclass(frozen=True, eq=False)
class Attribution:
    """Each pixel's part in how much the class's logit exceeds the mean of the others.

    Arguments:
        pixels: float32 (h, w), summed over the channels; what speaks against the class is negative.
        difference: between the image and the image hidden, which the parts should add up to.
        steps: of the way between them.
    """

    pixels: np.ndarray
    difference: float
    steps: int

    @property
    def total(self) -> float:
        """What the parts add up to."""
        return float(self.pixels.sum(dtype=np.float64))

    @property
    def error(self) -> float:
        """How far the parts are from adding up to the difference, as a share of it."""
        return abs(self.total - self.difference) / max(abs(self.difference), 1e-9)

    @property
    def smoothed(self) -> np.ndarray:
        """The parts smoothed, float32 (h, w): single pixels are as much noise as anything."""
        return gaussian_filter(self.pixels, _SMOOTH_SHARE * min(self.pixels.shape))


def integrate(subject: Subject, *, quick: bool = False) -> Attribution | None:
    """Return the integrated gradients of an image; None where the model has no gradient.

    Arguments:
        quick: whether a few steps will do, however far they are from adding up.
    """
    small = max(subject.size) <= _SMALL_PX
    steps = _QUICK_STEPS if quick else _FIRST_STEPS[small]
    while True:
        found = _integrated(subject, steps)
        if found is None or quick or found.error <= COMPLETE / 2 or 2 * steps > _MOST_STEPS[small]:
            return found
        steps *= 2


def _integrated(subject: Subject, steps: int) -> Attribution | None:
    """Return them by the midpoint rule."""
    whole, hidden = subject.pixels.astype(np.float32), subject.hidden.astype(np.float32)
    total = np.zeros_like(whole, np.float64)
    at_once = max(1, _AT_ONCE_PIXELS // whole[..., 0].size)
    with differentiating(subject) as device:
        for start in range(0, steps, at_once):
            places = (np.arange(start, min(start + at_once, steps)) + 0.5) / steps
            batch = as_batch(hidden + (whole - hidden) * places[:, None, None, None], device).requires_grad_()
            score: Any = class_contrast(subject, batch).sum()
            if not score.requires_grad:
                return None
            (slope,) = torch.autograd.grad(score, [batch], allow_unused=True)
            if slope is None:
                return None
            total += slope.sum(0).permute(1, 2, 0).double().cpu().numpy()
        with torch.no_grad():
            ends = class_contrast(subject, as_batch(np.stack([whole, hidden]), device)).cpu().numpy()
    parts = (total / steps * (whole - hidden)).sum(-1)
    return Attribution(np.nan_to_num(parts).astype(np.float32), float(ends[0] - ends[1]), steps)
