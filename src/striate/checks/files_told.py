"""What the files are: sizes, channels, formats; enlarged pictures; and files that give the class away by themselves."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from striate.checks.examined import Examined
from striate.checks.finding import Finding, Mark
from striate.checks.look import LOOKED_AT_PX, Appearance
from striate.data.preparing.detail import ENLARGED_SHARE, LOOKED_AT, detail_side
from striate.data.preparing.prepare import prepare
from striate.errors import DataError, some
from striate.units import percent

# Gray images among colour ones, or one format among others, are named up to this share of the set.
NAMED_SHARE = 0.1
# So much better than chance (0 at chance, 1 never wrong) a class can be told from the file alone before it is said.
SHORTCUT_SHARE, FEWEST_OF_A_CLASS, FOLDS = 0.3, 20, 5
_DEPTH, _LEAF = 4, 10


def tell_files(looks: Appearance) -> dict[str, Any]:
    """Return what the images of a set are: {"sizes": [[height, width, images]…], "channels": …, "formats": …}."""
    if not len(looks):
        return {"sizes": [], "channels": {}, "formats": {}, "aspect": []}
    sizes = Counter(zip(looks.heights.tolist(), looks.widths.tolist(), strict=True))
    aspect = np.quantile(looks.widths / looks.heights, (0, 0.5, 1))
    return {
        "sizes": [[height, width, count] for (height, width), count in sizes.most_common()],
        "channels": {str(key): count for key, count in Counter(looks.channels.tolist()).most_common()},
        "formats": dict(Counter(looks.formats.tolist()).most_common()),
        "aspect": [round(float(value), 3) for value in aspect],
    }


def find_mixed_files(examined: Examined) -> list[Finding]:
    """Return notes on images of other channels or formats than most."""
    looks = examined.appearance
    kinds = np.where(looks.channels == 1, "gray", np.where(looks.channels == 3, "colour", "of other bands"))
    return [
        *_mixed(examined, "mixed-channels", kinds, "gray ones are shown with three equal channels"),
        *_mixed(examined, "mixed-formats", looks.formats, "harmless, unless the format goes with the class"),
    ]


def _mixed(examined: Examined, kind: Any, values: np.ndarray, effect: str) -> list[Finding]:
    counts = Counter(values.tolist()).most_common()
    if len(counts) < 2:
        return []
    few = [value for value, count in counts[1:] if count <= NAMED_SHARE * len(values)]
    positions = np.flatnonzero(np.isin(values, few))
    marks = tuple(Mark(str(examined.images.names[i]), str(values[i])) for i in positions.tolist())
    told = some([f"{value or 'unknown'} ({count:,})" for value, count in counts], 4)
    what = "channels" if kind == "mixed-channels" else "formats"
    return [Finding(kind, "note", f"images of several {what}: {told}", effect, "nothing needs to be done", marks)]


def find_enlarged(examined: Examined) -> list[Finding]:
    """Return whether the images as they are have far more pixels than detail."""
    catalog, looks = examined.catalog, examined.appearance
    side = np.minimum(looks.heights, looks.widths)
    at = int(min(LOOKED_AT_PX, np.quantile(side, 0.25))) if len(side) else 0
    images = examined.images
    if at > min(images.image_shape[:2]):
        place = {name: i for i, name in enumerate(catalog.names)}
        large = np.flatnonzero(side >= at)
        chosen = large[np.unique(np.linspace(0, len(large) - 1, LOOKED_AT).astype(np.int64))]
        try:
            rows = np.array([place[images.names[int(i)]] for i in chosen], np.int64)
            images = prepare(catalog.subset(rows), (at, at), keep=False, window=images.window)
        except DataError:  # changed since it was looked at
            return []
    at = min(images.image_shape[:2])
    detail = detail_side(images)
    if detail > ENLARGED_SHARE * at:
        return []
    return [Finding(
        "enlarged", "note", f"images of {at} pixels a side show no detail beyond {detail} pixels: they were enlarged",
        "training at full size takes longer and learns nothing more",
        f"train with --size {detail}, or look for the originals", weight=100 * (1 - detail / at),
        figures={"side": at, "detail": detail},
    )]  # fmt: skip


def find_shortcuts(examined: Examined) -> list[Finding]:
    """Return whether size, shape, channels and format of the files alone tell the classes apart.

    A small tree is cross-validated on them, images that belong together on one side. Such a sign is gone in use, or it
    is another one there.
    """
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    alone, looks = examined.alone, examined.appearance
    labels = examined.labels[alone]
    counts = np.bincount(labels[labels >= 0], minlength=1)
    rows = alone[np.isin(labels, np.flatnonzero(counts >= FEWEST_OF_A_CLASS))]
    classes = len(np.unique(examined.labels[rows]))
    codes = np.unique(looks.formats, return_inverse=True)[1]
    known = np.stack([looks.heights, looks.widths, looks.widths / looks.heights, looks.channels, codes], 1)[rows]
    if classes < 2 or (known == known[0]).all():
        return []
    tree = DecisionTreeClassifier(max_depth=_DEPTH, min_samples_leaf=_LEAF, class_weight="balanced", random_state=0)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    guessed = cross_val_predict(tree, known, examined.labels[rows], cv=folds)
    right = float(balanced_accuracy_score(examined.labels[rows], guessed))
    above = (right - 1 / classes) / (1 - 1 / classes)
    if above < SHORTCUT_SHARE:
        return []
    return [Finding(
        "shortcut", "serious" if above >= 2 * SHORTCUT_SHARE else "warning",
        f"size, shape and format of files alone tell the class in {percent(right, 0)} of cases "
        f"(chance: {percent(1 / classes, 0)})",
        "a model may learn how classes were collected, not what is on the images: figures will not hold elsewhere",
        "collect all classes in one way, or bring all images to one size and format before they are read",
        weight=100 * above, figures={"accuracy": right, "chance": 1 / classes},
    )]  # fmt: skip
