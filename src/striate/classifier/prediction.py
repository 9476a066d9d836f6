"""What a classifier says of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a classifier says of one image.

    Arguments:
        image: the image's name, empty where it came as an array.
        classes: (k,) class names.
        probabilities: float32 (k,), they sum to 1.
    """

    image: str
    classes: tuple[str, ...]
    probabilities: np.ndarray

    def __repr__(self) -> str:
        return f"<Prediction{self.image and f' of {self.image}'}: {self.label} {self.probability:.1%}>"

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
        """Return image, class, probability and the top `k` as plain values."""
        top = [[name, probability] for name, probability in self.top(k)]
        return {"image": self.image, "class": self.label, "probability": self.probability, "top": top}
