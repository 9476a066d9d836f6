"""What a classifier says of one image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet
from striate.notebook.tables import html_bar, html_table
from striate.units import percent


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a classifier says of one image.

    Arguments:
        image: the image's name, empty where it came as an array.
        classes: (k,) class names.
        probabilities: float32 (k,), calibrated; they sum to 1.
        known: False where it is unlike all that the model has learned: none of these. None where the model cannot tell.
        sure: whether it is sure enough for the precision that was asked for; None where nobody asked.
        set: the classes, the most probable first, that hold the true one as often as was asked for; None where nobody
            asked.
    """

    image: str
    classes: tuple[str, ...]
    probabilities: np.ndarray
    known: bool | None = None
    sure: bool | None = None
    set: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        if self.known is False:
            return f"<Prediction{self.image and f' of {self.image}'}: none of these, else {self.label}>"
        return f"<Prediction{self.image and f' of {self.image}'}: {self.label} {percent(self.probability, 1)}>"

    def _repr_html_(self) -> str:
        rows = [(name, html_bar(probability)) for name, probability in self.top(5)]
        notes = ["none of these: it is unlike all that the model has learned"] if self.known is False else []
        notes += [] if self.sure is None else ["sure enough" if self.sure else "not sure enough for what was asked"]
        notes += [f"one of: {', '.join(self.set)}"] if self.set else []
        return html_table(self.image or self.label, ("class", "probability"), rows, notes)

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def probability(self) -> float:
        """The probability of the most probable class."""
        return float(self.probabilities.max())

    def top(self, k: int = 3) -> list[tuple[str, float]]:
        """Return the `k` most probable classes with their probabilities, highest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.classes[i], float(self.probabilities[i])) for i in order]

    def to_json(self, k: int = 3) -> dict[str, Any]:
        """Return image, class, probability, the top `k`, `known`, and what was asked for beside, as plain values."""
        top = [[name, probability] for name, probability in self.top(k)]
        said: dict[str, Any] = {"image": self.image, "class": self.label, "probability": self.probability, "top": top}
        said["known"] = self.known
        if self.sure is not None:
            said["sure"] = self.sure
        if self.set is not None:
            said["set"] = list(self.set)
        return said


def is_one_image(images: Any) -> bool:
    """Return whether these are one image: a path, a PIL image, or an array (h, w) or (h, w, 1, 3 or 4)."""
    if isinstance(images, np.ndarray):
        return images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (1, 3, 4))
    return not isinstance(images, ImageSet | Catalog | list | tuple)


def image_name(image: Any) -> str:
    """Return the path of an image as it was given, empty where it has none."""
    return str(image) if isinstance(image, str | Path) else getattr(image, "filename", "") or ""
