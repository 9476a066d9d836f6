"""Whether a mirror image is of the same class: asked of what has learned the classes, never assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.imageset import ImageSet
from striate.observer import Observer
from striate.selection.ladder.ground import Ground, Parts, mixed, spread
from striate.selection.ladder.pretrained_rungs import FROZEN
from striate.selection.ladder.results import Result, best_result

# A mirrored image is taken to keep its class if a simple classifier keeps this share of what it knows, by channels:
# digits leave it a quarter. Photographs leave it more, but not all, as places of pixels are what it knows; in colour
# they rarely mean something else in a mirror. Features of photographs hardly change in a mirror.
MIRRORS_KEEP = {1: 0.5, 3: 1 / 3}
FEATURES_KEEP = 0.8
LOOKED_AT, LEARNED_FROM = 200, 400


def mirrors_keep_classes(results: Sequence[Result], ground: Ground, parts: Parts) -> bool:
    """Return whether what has learned the classes knows mirrored images nearly as well.

    Asked is the better one of a head on a borrowed net's features and the best simple classifier. What it knows is its
    accuracy above that of the majority; where it knows nothing, mirrors are not risked.
    """
    base = min((one.valid.accuracy for one in results), default=0.0)
    kept = [one for one in results if one.classifier is not None]
    simple = best_result(kept) if len(results) > 1 and kept else None
    features = _by_features(ground, parts) if ground.borrowed else None
    if features and (simple is None or features[1] >= simple.valid.accuracy):
        model, plain, images = features
        name, share = ground.borrowed.name if ground.borrowed else "", FEATURES_KEEP
    elif simple:
        model, plain, name = simple.classifier, simple.valid.accuracy, simple.name
        images = ground.images.subset(np.concatenate([valid for _, valid in parts]))
        share = MIRRORS_KEEP.get(ground.images.image_shape[2], MIRRORS_KEEP[3])
    else:
        return False
    assert model is not None
    mirrored = model.predict_proba(np.ascontiguousarray(images.images[:, :, ::-1]))
    after = float((mirrored.argmax(1) == images.labels).mean())
    keeps = after - base > share * (plain - base) > 0.02
    verb = "are taken to keep their class" if keeps else "are not used"
    ground.observer.note(f"mirror images {verb}: {name} is right on {plain:.1%}, mirrored on {after:.1%}")
    return keeps


def _by_features(ground: Ground, parts: Parts) -> tuple[Classifier, float, ImageSet]:
    """Return a head on some features, how often it is right on some images that choose, and these."""
    assert ground.borrowed is not None
    (train, valid), bank = parts[0], ground.borrowed.bank
    order, held = mixed(train, ground.images.labels, ground.seed), bank.known(valid)
    known = bank.known(order)
    learned = (known if len(np.unique(ground.images.labels[known])) > 1 else order)[:LEARNED_FROM]
    held = spread(held if len(held) else valid, LOOKED_AT / max(1, len(held)))
    model = FROZEN.head(replace(ground, observer=Observer()), learned, held[:0])
    right = FROZEN.probabilities(ground, model, held).argmax(1) == ground.images.labels[held]
    return model, float(right.mean()), ground.images.subset(held)
