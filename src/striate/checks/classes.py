"""Classes that are too small to be learned or judged, and classes of very different sizes."""

from __future__ import annotations

import numpy as np

from striate.checks.examined import Examined
from striate.checks.finding import Finding, Mark, Severity, counted
from striate.data.catalog import Catalog
from striate.data.trainable import check_trainable
from striate.errors import DataError, some
from striate.units import percent

# One independent image for each of train, valid and test; and so many before a class can be learned at all well.
FEWEST, FEW = 3, 10
# So many times as many images in the largest class as in the smallest are uneven.
UNEVEN, VERY_UNEVEN = 3.0, 10.0
# A class is noted that has less than this share of the typical one's images.
_NAMED = 6


def find_small_classes(examined: Examined) -> list[Finding]:
    """Return what there is to say of the sizes of classes; images that belong together count once."""
    images = examined.images
    counts = np.bincount(images.labels[images.labels >= 0], minlength=len(images.classes))
    present = np.flatnonzero(counts)
    if not len(present):
        return []
    independent = np.zeros(len(counts), np.int64)
    for label in present:
        independent[label] = len(np.unique(examined.groups[images.labels == label]))
    small = [int(c) for c in present if independent[c] < FEW]
    return [*_small(examined, small, independent, counts), *_imbalance(examined, present, counts)]


def find_untrainable(catalog: Catalog) -> list[Finding]:
    """Return why a training would refuse the source as it is; nothing where it would not."""
    if not (catalog.labels >= 0).any():
        return [Finding(
            "unlabelled", "note", f"none of the {len(catalog):,} images has a label",
            "labels, leaks between classes and sizes of classes could not be looked at",
            "put the images into one folder a class, or give a table with a label column",
        )]  # fmt: skip
    try:
        check_trainable(catalog)
    except DataError as error:
        return [Finding("untrainable", "serious", str(error), "a training would stop here", "see above", weight=100.0)]
    return []


def _small(examined: Examined, small: list[int], independent: np.ndarray, counts: np.ndarray) -> list[Finding]:
    if not small:
        return []
    images, hardly = examined.images, [c for c in small if independent[c] < FEWEST]
    named = some(
        [f"{images.classes[c]} ({independent[c]})" for c in sorted(small, key=lambda c: independent[c])], _NAMED
    )
    severity: Severity = "serious" if hardly else "warning"
    effect = f"figures of a class of fewer than {FEW} independent images are hardly more than chance"
    if hardly:
        effect = (
            f"{some([images.classes[c] for c in hardly], _NAMED)} cannot be in train, validation and test at once: "
            "not learned or not judged"
        )
    marks = tuple(
        Mark(str(images.names[i]), f"{images.classes[c]}: {counts[c]} images, {independent[c]} independent")
        for c in small
        for i in np.flatnonzero(images.labels == c).tolist()
    )
    return [Finding(
        "small-class", severity, f"{counted(len(small), 'class', 'classes')} of fewer than {FEW} independent images: "
        f"{named}", effect, "collect more images of these, merge them with another class, or leave the class out",
        marks, 100 * len(marks) / len(images),
        {"classes": {images.classes[c]: int(independent[c]) for c in small}},
    )]  # fmt: skip


def _imbalance(examined: Examined, present: np.ndarray, counts: np.ndarray) -> list[Finding]:
    classes = examined.images.classes
    largest, smallest = present[np.argmax(counts[present])], present[np.argmin(counts[present])]
    times = counts[largest] / counts[smallest]
    if len(present) < 2 or times < UNEVEN:
        return []
    share = counts[largest] / counts.sum()
    return [Finding(
        "imbalance", "warning" if times >= VERY_UNEVEN else "note",
        f"classes are uneven: {counts[largest]:,} images of {classes[largest]}, {counts[smallest]:,} of "
        f"{classes[smallest]}",
        f"who always says {classes[largest]} is right on {percent(share, 0)}: accuracy hides how the rare classes do",
        "look at balanced accuracy: --metric balanced-accuracy chooses by it, --balance teaches rare classes more",
        weight=float(100 * (1 - 1 / times)), figures={"ratio": float(times)},
    )]  # fmt: skip
