"""Occlusion: what the answer loses when a part of the image is hidden, part by part.

Source: Zeiler, Fergus 2014, "Visualizing and Understanding Convolutional Networks".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striate.explanation.subject import Subject, log_odds

# A patch covers this share of each side and moves by a third of itself over small images, else by half of itself.
PATCH_SHARE, _STEPS, _COARSE_STEPS, _SMALL_PX = 3 / 8, 3, 2, 64
# What a patch does counts at each pixel by its distance, with this spread in sides of the patch: the best place is then
# where the most harmful patches have their centre, not anywhere below one of them.
_SPREAD = 0.4


@dataclass(frozen=True, eq=False)
class Occlusion:
    """What patches do to the answer.

    Arguments:
        hide: bool (n, h, w), where each patch lies.
        logits: float64 (n, k), of the image with each patch hidden.
        whole: float64 (k,), of the image.
        steps: in how many steps a patch moves by its own side.
    """

    hide: np.ndarray
    logits: np.ndarray
    whole: np.ndarray
    steps: int = _STEPS

    def lost(self, target: int) -> np.ndarray:
        """Return float64 (n,): what a class's log-odds lose by each patch."""
        return log_odds(self.whole[None], target)[0] - log_odds(self.logits, target)

    def of(self, target: int) -> np.ndarray:
        """Return float32 (h, w): what a class's log-odds lose by the patches around each pixel, a weighted mean."""
        down, right = (_weights(side, self.steps) for side in self.hide.shape[1:])
        return (down.T @ self.lost(target).reshape(len(down), len(right)) @ right).astype(np.float32)


def occlude(subject: Subject, steps: int | None = None) -> Occlusion:
    """Return what patches all over the image do to the answer.

    Arguments:
        steps: in how many steps a patch moves by its own side; None for what suits the image's size.
    """
    steps = steps or (_STEPS if max(subject.size) <= _SMALL_PX else _COARSE_STEPS)
    hide = patches(subject.size, steps)
    return Occlusion(hide, subject.answers_without(hide), subject.logits, steps)


def patches(size: tuple[int, int], steps: int = _STEPS) -> np.ndarray:
    """Return where patches lie that cover an image (h, w) evenly, bool (n, h, w), each row of them from the left.

    >>> patches((8, 8), 1).sum(0).tolist()[0], len(patches((32, 32)))
    ([1, 1, 1, 1, 1, 1, 1, 1], 100)
    """
    rows, columns = (_strips(side, steps) for side in size)
    return (rows[:, None, :, None] & columns[None, :, None, :]).reshape(-1, *size)


def _strips(side: int, steps: int) -> np.ndarray:
    """Return bool (m, side): strips of the same width that cover every pixel."""
    start, width = _starts(side, steps)
    place = np.arange(side)
    return (place >= start[:, None]) & (place < start[:, None] + width)


def _weights(side: int, steps: int) -> np.ndarray:
    """Return float64 (m, side): what each strip counts at each pixel; sums to 1 over the strips."""
    start, width = _starts(side, steps)
    away = np.arange(side) - (start[:, None] + (width - 1) / 2)
    weights = np.exp(-((away / (_SPREAD * width)) ** 2) / 2)
    return weights / weights.sum(0)


def _starts(side: int, steps: int) -> tuple[np.ndarray, int]:
    """Return where the strips begin, the first and the last in part beyond the edge, and their width."""
    width = max(1, round(side * PATCH_SHARE))
    step = max(1, width // steps)
    return np.arange(step - width, side, step), width
