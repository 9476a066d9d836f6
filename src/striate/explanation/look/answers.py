"""Units by the images that they answer to most, with the place that they look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.explanation.look.activity import Activity, Peaks
from striate.explanation.look.pictures import LookPicture, cut_around, with_frame
from striate.explanation.look.places import LayerPlace, View, view_of
from striate.explanation.look.seen import SeenImages

MOST_UNITS = 12


@dataclass(frozen=True, eq=False)
class UnitAnswers:
    """A unit, and the images that it answers to most.

    Arguments:
        layer: the path of its layer; `word` what that is.
        unit: its number there.
        pictures: those images, the place that it looks at in a frame; the strongest first.
        names: of the images; `labels` their classes, "" where that is not known.
        values: what it answers to each, at its best place.
        boxes: (top, left, bottom, right) in pixels of the model's input; None where it sees the whole image.
        said: what can be said of it.
    """

    layer: str
    word: str
    unit: int
    pictures: tuple[LookPicture, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    values: tuple[float, ...]
    boxes: tuple[tuple[int, int, int, int] | None, ...]
    said: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        top = [
            {"image": name, "label": label or None, "value": value, "box": box and list(box)}
            for name, label, value, box in zip(self.names, self.labels, self.values, self.boxes, strict=True)
        ]
        return {"layer": self.layer, "unit": self.unit, "said": self.said, "top": top}


def unit_answers(
    model: Classifier,
    activity: Activity,
    layers: Sequence[LayerPlace],
    units: Sequence[tuple[LayerPlace, list[int]]],
    seen: SeenImages,
) -> list[UnitAnswers]:
    """Return the units that were asked for, and of each of the layers the first that are awake."""
    made: list[UnitAnswers] = []
    for place, numbers in (*((place, None) for place in layers), *units):
        peaks = activity.peaks.get(place.path)
        if peaks is None:
            continue
        if numbers is None:
            # A unit with the same answer to all of them has no image that it answers to most.
            awake = (peaks.values[0] > peaks.values[-1]) | (peaks.values[0] > 0)
            numbers = awake.nonzero().flatten().tolist()[:MOST_UNITS]
        view = view_of(model, place, peaks.shape)
        made += [_answers(model, peaks, number, view, seen) for number in dict.fromkeys(numbers)]
    return made


def _answers(model: Classifier, peaks: Peaks, unit: int, view: View | None, seen: SeenImages) -> UnitAnswers:
    rows, values = peaks.images[:, unit].tolist(), peaks.values[:, unit].tolist()
    boxes = [_box(peaks, view, int(place), model.preprocessing.size) for place in peaks.places[:, unit].tolist()]
    labels = [model.classes[i] if (i := int(seen.labels[row])) >= 0 else "" for row in rows]
    cuts = [
        cut_around(seen.pixels[row], box) if box else (seen.pixels[row], box)
        for row, box in zip(rows, boxes, strict=True)
    ]
    pictures = tuple(
        LookPicture(label or seen.names[row], with_frame(*cut), f"{value:.3g}")
        for row, label, value, cut in zip(rows, labels, values, cuts, strict=True)
    )
    names = tuple(seen.names[row] for row in rows)
    said = _said(labels, values, view, len(seen))
    if any(cut.shape != seen.pixels.shape[1:] for cut, _ in cuts):
        said += "; shown is the part of the image around them"
    return UnitAnswers(
        peaks.layer.path, peaks.layer.layer, unit, pictures, names, tuple(labels), tuple(values), tuple(boxes), said
    )


def _box(peaks: Peaks, view: View | None, place: int, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    if view is None or len(peaks.shape) != 3:
        return None
    box = view.box(divmod(place, peaks.shape[2]), size)
    return None if box[2] <= box[0] or box[3] <= box[1] or box == (0, 0, *size) else box


def _said(labels: Sequence[str], values: Sequence[float], view: View | None, images: int) -> str:
    if not values or (values[0] <= 0 and np.ptp(values) == 0):
        return f"never above 0 in {images:,} images"
    told = f"{values[-1]:.3g} to {values[0]:.3g}"
    common = Counter(label for label in labels if label).most_common(1)
    if common and common[0][1] > 1:
        told += f"; {common[0][1]} of {len(labels)} are {common[0][0]}"
    if view is None:
        return f"{told}; it sees the whole image"
    return f"{told}; it sees {view.stop[0] - view.start[0]}×{view.stop[1] - view.start[1]} pixels"
