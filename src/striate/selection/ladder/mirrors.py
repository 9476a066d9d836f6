"""Whether a mirror image is of the same class: asked of what has learned the classes, never assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from striate.observer import Observer
from striate.selection.ladder.ground import Ground, Parts, spread
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

    A head on a borrowed net's features is asked where there is one, else the best simple classifier so far. What it
    knows is its accuracy above that of the majority; where it knows nothing, mirrors are not risked.
    """
    base = min((one.valid.accuracy for one in results), default=0.0)
    if ground.borrowed:
        train, valid = parts[0]
        held = spread(valid, LOOKED_AT / max(1, len(valid)))
        images = ground.images.subset(held)
        model = FROZEN.head(replace(ground, observer=Observer()), _known(ground, train), held[:0])
        plain = float((FROZEN.probabilities(ground, model, held).argmax(1) == images.labels).mean())
        name, share = ground.borrowed.name, FEATURES_KEEP
    else:
        kept = [one for one in results if one.classifier is not None]
        if len(results) < 2 or not kept:
            return False
        known = best_result(kept)
        images = ground.images.subset(np.concatenate([valid for _, valid in parts]))
        model, plain, name = known.classifier, known.valid.accuracy, known.name
        share = MIRRORS_KEEP[ground.images.image_shape[2]]
    assert model is not None
    mirrored = model.predict_proba(np.ascontiguousarray(images.images[:, :, ::-1]))
    after = float((mirrored.argmax(1) == images.labels).mean())
    keeps = after - base > share * (plain - base) > 0.02
    verb = "are taken to keep their class" if keeps else "are not used"
    ground.observer.note(f"mirror images {verb}: {name} is right on {plain:.1%}, mirrored on {after:.1%}")
    return keeps


def _known(ground: Ground, train: np.ndarray) -> np.ndarray:
    """Return positions of training images whose features are there already."""
    assert ground.borrowed is not None
    known = ground.borrowed.bank.known(train)
    return spread(known if len(known) else train, LEARNED_FROM / max(1, len(known)))
