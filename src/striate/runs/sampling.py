"""Which images a model keeps in its file: golden ones, by which copies of it are checked, and some it learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from striate.classifier.classifier import Classifier
from striate.classifier.samples import Golden, Remembered, Samples, small_copies
from striate.data.imageset import ImageSet
from striate.runs.calibrating import MOST_KEPT, Calibrated, calibration_size

# So many golden images at most, and so many bytes of them, but never fewer than these.
MOST_GOLDEN, GOLDEN_BYTES, LEAST_GOLDEN = 32, 2 << 20, 8
# What the model sees of them is not kept where there are more numbers than these of each.
MOST_FEATURES = 4096
HALF_MAX = float(np.finfo(np.float16).max)


def keep_samples(calibrated: Calibrated, train: ImageSet, valid: ImageSet) -> Samples:
    """Return what a model keeps of its images: some of every class, as far as there is room.

    Arguments:
        calibrated: the model, and what it has seen already of its training images.
        train: what it was trained on.
        valid: what it was not; where there are none, golden images are training images.
    """
    model, given = calibrated.model, valid if len(valid) else train
    if not model.classes or not len(given):
        return Samples()
    room = GOLDEN_BYTES // max(1, int(np.prod(model.preprocessing.input_shape)))
    few = given.subset(spread_by_class(given.labels, min(MOST_GOLDEN, max(LEAST_GOLDEN, room))))
    images = model.block(few, 0, len(few))
    # They have 8 bits already.
    bare = replace(model, preprocessing=replace(model.preprocessing, window=None))
    golden = Golden(images, few.labels.astype(np.int64), bare.predict_proba(images).astype(np.float32))
    return Samples(golden, _memory(calibrated, train))


def spread_by_class(labels: np.ndarray, most: int) -> np.ndarray:
    """Return the positions of at most so many labels, each class in turn, evenly over each; sorted, int64 (m,).

    >>> spread_by_class(np.array([0, 0, 0, 0, 1]), 3).tolist()
    [0, 3, 4]
    """
    places = [np.flatnonzero(labels == one) for one in np.unique(labels[labels >= 0])]
    # Smallest classes first: what they leave is shared by those that follow.
    places.sort(key=len)
    if len(places) > most:
        places = [places[i] for i in np.linspace(0, len(places) - 1, most).round().astype(int)]
    chosen: list[np.ndarray] = []
    for position, place in enumerate(places):
        share = (most - sum(map(len, chosen))) // (len(places) - position)
        count = min(len(place), share)
        chosen.append(place[np.linspace(0, len(place) - 1, count).round().astype(int)])
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


def _memory(calibrated: Calibrated, train: ImageSet) -> Remembered | None:
    """Return some of the training images: of those that were looked at anyway, if the model itself has looked."""
    if not len(train):
        return None
    model, taught, seen = calibrated.model, calibrated.taught, calibrated.seen
    if taught is None or not seen:
        taught = train.subset(spread_by_class(train.labels, calibration_size(model, len(train), 0).kept))
        seen = _look(model, taught)
    rows = spread_by_class(taught.labels, MOST_KEPT)
    kept = taught.subset(rows)
    last = seen.get("last")
    if last is None or last.shape[1] > MOST_FEATURES:
        last = np.zeros((len(taught), 0))
    features = np.clip(last[rows], -HALF_MAX, HALF_MAX).astype(np.float16)
    thumbnails = small_copies(model.block(kept, 0, len(kept)))
    return Remembered(thumbnails, kept.labels.astype(np.int64), tuple(kept.names), features)


def _look(model: Classifier, images: ImageSet) -> dict[str, np.ndarray]:
    blocks = list(replace(model, views="none").outputs(images, features=True))
    return {name: np.concatenate([one.features[name] for one in blocks]) for name in blocks[0].features}
