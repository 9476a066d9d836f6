"""What would change the answer: hiding a little, simple changes of the picture, and what speaks for the runner-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, rotate

from striate.explanation.subject import Subject, answers_of, log_odds
from striate.units import percent

# The image is hidden in cells, so many a side, ever more of them in the order of their weight, up to so many.
CELLS, MOST_CELLS = 7, 24


@dataclass(frozen=True, eq=False)
class Hiding:
    """The fewest cells whose hiding was found to change the answer.

    Arguments:
        cells: bool (rows, columns).
        share: of the image that they cover.
        becomes: the answer then.
        probability: of that.
    """

    cells: np.ndarray
    share: float
    becomes: str
    probability: float

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """Return where the image (h, w) is hidden, bool (h, w)."""
        rows, columns = (_cell_of(side, count) for side, count in zip(size, self.cells.shape, strict=True))
        return self.cells[rows[:, None], columns[None]]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"cells": int(self.cells.sum()), "share": self.share, "class": self.becomes,
                "probability": self.probability}  # fmt: skip


@dataclass(frozen=True)
class SimpleChange:
    """A change of the whole picture, the smallest of its kind that changes the answer.

    Arguments:
        words: what was done.
        becomes, probability: the answer then.
        pixels: uint8 (h, w, c), the image after it.
    """

    words: str
    becomes: str
    probability: float
    pixels: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"change": self.words, "class": self.becomes, "probability": self.probability}


@dataclass(frozen=True, eq=False)
class Changes:
    """What would change the answer.

    Arguments:
        wish: the class that the answer should become; empty where any other will do.
        hiding: the fewest hidden cells; None where hiding up to `MOST_CELLS` of them does not do it.
        simple: what of the simple changes does it.
        kept: the kinds of simple changes that do not, however strong.
    """

    wish: str
    hiding: Hiding | None
    simple: tuple[SimpleChange, ...]
    kept: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What does not change the answer, and what does, in words."""
        becomes = f"{self.wish}" if self.wish else "another class"
        if not self.hiding and not self.simple:
            return (f"Nothing that was tried makes it {becomes}: neither hiding the {MOST_CELLS} weightiest of "
                    f"{CELLS}×{CELLS} cells, nor {_listed(self.kept, 'nor')}.")  # fmt: skip
        parts = []
        if self.hiding:
            count = int(self.hiding.cells.sum())
            parts.append(f"hiding {count} {'cell' if count == 1 else 'cells'} of {self.hiding.cells.size} "
                         f"({percent(self.hiding.share, 0)} of the image)")  # fmt: skip
        parts += [one.words for one in self.simple]
        kept = f" What does not: {_listed(self.kept, 'and')}." if self.kept else ""
        return f"What makes it {becomes}: {_listed(parts, 'or')}.{kept}"


def _listed(parts: Any, last: str) -> str:
    parts = list(parts)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}" if parts else "anything else"


def find_changes(subject: Subject) -> Changes:
    """Return what would change the model's answer, or, where another class is asked about, make it that class."""
    answer = int(subject.logits.argmax())
    wish = "" if subject.target == answer else subject.model.classes[subject.target]
    simple, kept = _simple(subject, answer)
    return Changes(wish, _fewest_cells(subject, answer), simple, kept)


def _done(subject: Subject, logits: np.ndarray, answer: int) -> np.ndarray:
    """Return where logits (n, k) are the answer that is looked for, bool (n,)."""
    found = logits.argmax(1)
    return found != answer if subject.target == answer else found == subject.target


def _fewest_cells(subject: Subject, answer: int) -> Hiding | None:
    """Return few cells whose hiding changes the answer: greedily found, then freed of those that are not needed."""
    rows, columns = (min(CELLS, side) for side in subject.size)
    places = [_cell_of(side, count) for side, count in zip(subject.size, (rows, columns), strict=True)]
    number = places[0][:, None] * columns + places[1][None]
    alone = subject.answers_without(number[None] == np.arange(rows * columns)[:, None, None])
    # For the answer itself its log-odds should fall, for another class that is wished for they should rise.
    scores = log_odds(alone, subject.target) * (1 if subject.target == answer else -1)
    order = np.argsort(scores, kind="stable")[:MOST_CELLS]
    chosen = [order[: i + 1] for i in range(len(order))]
    logits = np.concatenate([alone[order[:1]], subject.answers_without(_masks(number, chosen[1:]))])
    found = np.flatnonzero(_done(subject, logits, answer))
    if not len(found):
        return None
    cells, said = list(chosen[found[0]]), logits[found[0]]
    while len(cells) > 1:
        fewer = [[c for c in cells if c != left] for left in cells]
        tried = subject.answers_without(_masks(number, fewer))
        good = np.flatnonzero(_done(subject, tried, answer))
        if not len(good):
            break
        best = int(good[np.argmin(log_odds(tried[good], answer))])
        cells, said = fewer[best], tried[best]
    hidden = np.zeros(rows * columns, bool)
    hidden[cells] = True
    becomes, probability = _said(subject, said)
    return Hiding(hidden.reshape(rows, columns), float(np.isin(number, cells).mean()), becomes, probability)


def _masks(number: np.ndarray, chosen: list[Any]) -> np.ndarray:
    return np.stack([np.isin(number, cells) for cells in chosen]) if chosen else np.zeros((0, *number.shape), bool)


def _cell_of(side: int, count: int) -> np.ndarray:
    return np.arange(side) * count // side


def _said(subject: Subject, logits: np.ndarray) -> tuple[str, float]:
    best = int(logits.argmax())
    return subject.model.classes[best], float(1 / (1 + np.exp(-log_odds(logits[None], best)[0])))


def _simple(subject: Subject, answer: int) -> tuple[tuple[SimpleChange, ...], tuple[str, ...]]:
    """Return the weakest change of each kind that does it, and the kinds that do not."""
    tried = [(kind, words, make(subject.pixels)) for kind, grades in _KINDS.items() for words, make in grades]
    tried = [one for one in tried if not np.array_equal(one[2], subject.pixels)]
    logits = answers_of(subject.model, np.stack([pixels for _, _, pixels in tried])) if tried else np.zeros((0, 1))
    does = _done(subject, logits, answer)
    found: dict[str, SimpleChange] = {}
    for (kind, words, pixels), row, done in zip(tried, logits, does, strict=True):
        if done and kind not in found:
            found[kind] = SimpleChange(words, *_said(subject, row), pixels)
    return tuple(found.values()), tuple(dict.fromkeys(kind for kind, _, _ in tried if kind not in found))


Change = Callable[[np.ndarray], np.ndarray]


def _times(factor: float, about: float | None = 0.0) -> Change:
    """Return a change of brightness, or of contrast about the mean where `about` is None."""

    def change(pixels: np.ndarray) -> np.ndarray:
        middle = pixels.mean() if about is None else about
        return np.rint(middle + (pixels - middle) * factor).clip(0, 255).astype(np.uint8)

    return change


def _blurred(share: float) -> Change:
    def change(pixels: np.ndarray) -> np.ndarray:
        spread = (share * min(pixels.shape[:2]),) * 2
        return np.rint(gaussian_filter(pixels.astype(np.float32), (*spread, 0))).astype(np.uint8)

    return change


def _moved(down: float, right: float) -> Change:
    def change(pixels: np.ndarray) -> np.ndarray:
        (h, w), far = pixels.shape[:2], (round(down * pixels.shape[0]), round(right * pixels.shape[1]))
        wide = np.pad(pixels, ((abs(far[0]),) * 2, (abs(far[1]),) * 2, (0, 0)), mode="edge")
        top, left = abs(far[0]) - far[0], abs(far[1]) - far[1]
        return np.ascontiguousarray(wide[top : top + h, left : left + w])

    return change


def _turned(degrees: float) -> Change:
    return lambda pixels: rotate(pixels, degrees, reshape=False, order=1, mode="nearest")


def _nearer(factor: float) -> Change:
    def change(pixels: np.ndarray) -> np.ndarray:
        h, w, _ = pixels.shape
        box = (w * (1 - 1 / factor) / 2, h * (1 - 1 / factor) / 2, w * (1 + 1 / factor) / 2, h * (1 + 1 / factor) / 2)
        planes = [Image.fromarray(np.ascontiguousarray(pixels[..., i])) for i in range(pixels.shape[2])]
        return np.stack([np.asarray(one.resize((w, h), Image.Resampling.BILINEAR, box=box)) for one in planes], -1)

    return change


def _gray(pixels: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.rint(pixels.mean(-1, keepdims=True)).astype(np.uint8), pixels.shape).copy()


_KINDS: dict[str, list[tuple[str, Change]]] = {
    "mirroring it": [("mirroring it", lambda pixels: np.ascontiguousarray(pixels[:, ::-1]))],
    "taking its colours away": [("taking its colours away", _gray)],
    "darkening it": [(f"darkening it to {percent(f, 0)}", _times(f)) for f in (0.75, 0.5, 0.25)],
    "brightening it": [(f"brightening it to {percent(f, 0)}", _times(f)) for f in (1.25, 1.5, 2.0)],
    "lowering its contrast": [
        (f"lowering its contrast to {percent(f, 0)}", _times(f, None)) for f in (0.6, 0.3)
    ],
    "blurring it": [
        (f"blurring it by {percent(s, 0)} of its side", _blurred(s)) for s in (0.01, 0.03, 0.06)
    ],
    "shifting it": [
        (f"shifting it {where} by {percent(s, 0)}", _moved(i * s, j * s))
        for s in (1 / 16, 1 / 8) for where, i, j in (("up", -1, 0), ("down", 1, 0), ("left", 0, -1), ("right", 0, 1))
    ],
    "turning it": [(f"turning it by {abs(d)}° to the {'left' if d > 0 else 'right'}", _turned(d))
                   for d in (10, -10, 25, -25)],
    "coming nearer": [(f"coming nearer, {f:g} times", _nearer(f)) for f in (1.2, 1.5)],
}  # fmt: skip
