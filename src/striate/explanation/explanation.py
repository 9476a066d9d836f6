"""What is said of one image: the answer, maps with their verdicts, what it is like, what would change the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import label as label_regions

from striate.classifier.prediction import Prediction
from striate.explanation.change import Changes
from striate.explanation.explanation_html import explanation_html
from striate.explanation.shuffling import Learned
from striate.explanation.similar import Similar, SimilarImages
from striate.explanation.verdict import MapVerdict

# What a map marks: its values from this share of the largest on, around the largest.
_MARKED_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class ExplainedMap:
    """A map of an image and what it is worth.

    Arguments:
        kind: grad-cam, occlusion, integrated-gradients, template or trees; of one layer alone grad-cam:LAYER.
        title: the same for people.
        about: the class that it is about.
        how: how it was made, in a sentence.
        values: float32 (h, w); above 0 is what speaks for the class.
        verdict: what it is worth.
    """

    kind: str
    title: str
    about: str
    how: str
    values: np.ndarray
    verdict: MapVerdict

    @property
    def peak(self) -> tuple[int, int] | None:
        """(x, y) of the largest value, in pixels of the image as the model sees it; None of a map that is flat."""
        if self.values.max() <= self.values.min():
            return None
        y, x = np.unravel_index(int(self.values.argmax()), self.values.shape)
        return int(x), int(y)

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """(left, top, right, bottom) of what it marks around its peak, right and bottom exclusive."""
        if self.peak is None:
            return None
        x, y = self.peak
        low = max(float(self.values.min()), 0.0) if self.values.max() > 0 else float(self.values.min())
        regions, _ = label_regions(self.values >= low + _MARKED_SHARE * (self.values.max() - low))  # pyright: ignore
        inside = regions == regions[y, x]
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    @property
    def place(self) -> str:
        """Where its peak is, in words.

        >>> ExplainedMap("occlusion", "", "", "", np.pad([[1.0]], ((0, 8), (8, 0))), None).place
        'at the upper right'
        """
        if self.peak is None:
            return "nowhere"
        (x, y), (h, w) = self.peak, self.values.shape
        down = ("upper", "", "lower")[min(2, 3 * y // h)]
        right = ("left", "", "right")[min(2, 3 * x // w)]
        if not down and not right:
            return "in the middle"
        return f"at the {down} {right}".replace("  ", " ") if down and right else f"at the {down or right}" + (
            " edge" if not right else "")  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return kind, verdict with its numbers, peak and box as plain values."""
        box, peak = self.box, self.peak
        return {"kind": self.kind, "class": self.about, **self.verdict.to_json(), "peak": peak and list(peak),
                "box": box and list(box)}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Explanation:
    """What is said of one image.

    Arguments:
        image: its name; empty where it came as an array.
        pixels: uint8 (h, w, c), as the model sees it.
        prediction: the answer, calibrated, and whether the image is none of the classes.
        about: the class that is explained.
        calibrated: whether probabilities were fitted to validation images.
        tried: whether that was tried, though it may not have helped.
        views: what is averaged over, in words; empty where the image alone is looked at.
        ground: why no map of this answer can tell anything; empty where maps may.
        learned: how much the answer rests on the image, beside copies of the model with shuffled weights.
        maps: the maps, the first the most telling kind.
        layers: Grad-CAM of single layers, the deepest first.
        missing: (kind, why) of maps that this model cannot have.
        runner_up: a map of what speaks for the second class; None where there is none.
        template: float32 (h, w, c), what a linear model multiplies the pixels by; None of others.
        similar: the images that it is like, of those that it was compared with; None where there were none.
        voters: the neighbours that voted, where the model is of neighbours.
        changes: what would change the answer.
    """

    image: str
    pixels: np.ndarray
    prediction: Prediction
    about: str
    calibrated: bool
    tried: bool
    views: str
    ground: str
    learned: Learned
    maps: tuple[ExplainedMap, ...]
    layers: tuple[ExplainedMap, ...]
    missing: tuple[tuple[str, str], ...]
    runner_up: ExplainedMap | None
    template: np.ndarray | None
    similar: SimilarImages | None
    voters: tuple[Similar, ...]
    changes: Changes

    def __repr__(self) -> str:
        telling = ", ".join(one.kind for one in self.maps if one.verdict.tells) or "no map tells anything"
        return f"<Explanation of {self.about} for {self.image or 'an image'}: {telling}>"

    def _repr_html_(self) -> str:
        return explanation_html(self)

    @property
    def sentence(self) -> str:
        """What the maps tell together, in a sentence."""
        telling = [one for one in self.maps if one.verdict.tells]
        if self.ground:
            return f"No map tells anything here: {self.ground}."
        if not telling:
            return "No map of this image tells more than a random one."
        places = list(dict.fromkeys(one.place for one in telling))
        where = places[0] if len(places) == 1 else f"{', '.join(places[:-1])} or {places[-1]}"
        blob = any(one.verdict.beats_middle for one in telling)
        middle = "" if blob else "; a blob in the middle of the image tells as much"
        return f"What speaks most for {self.about} is {where}, by {len(telling)} of {len(self.maps)} maps{middle}."

    def map(self, kind: str) -> ExplainedMap | None:
        """Return the map of this kind; None where there is none."""
        return next((one for one in (*self.maps, *self.layers) if one.kind == kind), None)

    def to_json(self, top: int = 3) -> dict[str, Any]:
        """Return the prediction, the verdicts with their numbers and the changes as plain values."""
        h, w, _ = self.pixels.shape
        return {
            **self.prediction.to_json(top),
            "about": self.about, "size": [h, w], "calibrated": self.calibrated, "sentence": self.sentence,
            "nothing_because": self.ground or None,
            "evidence": self.learned.evidence, "evidence_p_value": self.learned.p_value,
            "maps": [one.to_json() for one in self.maps], "layers": [one.to_json() for one in self.layers],
            "missing": [{"kind": kind, "why": why} for kind, why in self.missing],
            "runner_up": self.runner_up and self.runner_up.to_json(),
            "similar": [one.to_json() for one in self.similar.images] if self.similar else [],
            "voters": [one.to_json() for one in self.voters],
            "changes": {"sentence": self.changes.sentence,
                        "hiding": self.changes.hiding and self.changes.hiding.to_json(),
                        "simple": [one.to_json() for one in self.changes.simple], "without_effect":
                        list(self.changes.kept)},
        }  # fmt: skip
