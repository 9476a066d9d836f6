"""Whether images may be mirrored or turned: asked of what has learned the classes, never assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from striate.classifier.classifier import Classifier
from striate.classifier.views import Views, view_count
from striate.data.imageset import ImageSet
from striate.observer import Observer
from striate.selection.ladder.borrowing import EXACT
from striate.selection.ladder.ground import Borrowed, Ground, Parts, mixed, spread
from striate.selection.ladder.pretrained_rungs import FROZEN, are_few
from striate.selection.ladder.results import Result, best_result, calibrated_log_loss
from striate.units import percent

# A mirrored image is taken to keep its class if a simple classifier keeps this share of what it knows, by channels:
# digits leave it a quarter. Photographs leave it more, but not all, as places of pixels are what it knows; in colour
# they rarely mean something else in a mirror. Features of photographs hardly change in a mirror.
MIRRORS_KEEP = {1: 0.5, 3: 1 / 3}
FEATURES_KEEP = 0.8
LOOKED_AT, LEARNED_FROM = 200, 400
# Where no features are there, those of so many images are made, within this share of the time that is left.
FEWEST_LEARNED, FILLED_SHARE = 60, 0.15
# Of the time that is left, what features of all images in several views may take: more of few, which leave it unused.
AVERAGING_SHARE, FEW_SHARE = 0.25, 0.5
# The loss of few images tells little. If this share of what is known is known turned, too, images are taken to have no
# top unless the loss is worse than by the factor (ten photographs a class of waste: nearly all is known, and the loss
# 0.84 to 1.05 of what it was; things that stand, CIFAR-10's: a third, and 1.3 to 1.7).
TURNED_KEEP, FEW_SLACK = 2 / 3, 1.1


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
    ground.observer.note(f"mirror images {verb}: {name} is right on {percent(plain)}, mirrored on {percent(after)}")
    return keeps


def averaging_that_helps(ground: Ground, parts: Parts) -> Borrowed | None:
    """Return the borrowed net with its features averaged over views of each image, if a head on them is surer so.

    Tried on the images that choose, by the loss at the best temperature. A net that has learned pictures as people take
    them sees another thing in one that lies: of what has no top, all its looks together tell more (ten photographs of
    waste a class: 67 % right, averaged over four turns 70 %, by bench/few.py).
    """
    borrowed, (height, width) = ground.borrowed, ground.images.image_shape[:2]
    if borrowed is None or not sum(len(valid) for _, valid in parts):
        return None
    few = are_few(len(ground.images), len(ground.images.classes))
    carried_s = (
        (FEW_SHARE if few else AVERAGING_SHARE) * ground.clock.left_s / (len(ground.images) + EXACT * ground.judged)
    )
    allowed: dict[Views, bool] = {"mirror": bool(ground.mirrors), "turns": height == width}
    banks = [borrowed.bank, *(borrowed.bank.over(views) for views, fits in allowed.items() if fits)]
    banks = [bank for bank in banks if bank is borrowed.bank or bank.image_s < carried_s]
    if len(banks) == 1:
        return None
    losses = [_loss(replace(borrowed, averaged=bank), ground, parts) for bank in banks]
    best = int(np.argmin(losses))
    if few and banks[-1].views == "turns" and losses[-1] < FEW_SLACK * losses[0] and _turned_are_known(ground, parts):
        best = len(banks) - 1
    if not best:
        return None
    ground.observer.note(
        f"features are averaged over {view_count(banks[best].views)} views of each image ({banks[best].views}): "
        f"log loss {losses[best]:.3f} against {losses[0]:.3f}"
    )
    return replace(borrowed, averaged=banks[best])


def _loss(borrowed: Borrowed, ground: Ground, parts: Parts) -> float:
    """Return the loss of heads on a borrowed net's features, on images that choose."""
    own, said, labels = replace(ground, borrowed=borrowed, observer=Observer()), [], []
    for train, valid in parts:
        learned, held = _some(own, train, valid, len(parts))
        model = FROZEN.head(own, learned, held[:0])
        said.append(FROZEN.probabilities(own, model, held))
        labels.append(ground.images.labels[held])
    return calibrated_log_loss(np.concatenate(said), np.concatenate(labels))


def _turned_are_known(ground: Ground, parts: Parts) -> bool:
    """Return whether heads on features of images as they lie know nearly as many of them turned by quarters."""
    own, right, labels = replace(ground, observer=Observer()), [], []
    for train, valid in parts:
        learned, held = _some(own, train, valid, len(parts))
        model, images = FROZEN.head(own, learned, held[:0]), ground.images.subset(held)
        lying = (np.ascontiguousarray(np.rot90(images.images, quarters, (1, 2))) for quarters in range(4))
        right.append([model.predict_proba(pixels).argmax(1) == images.labels for pixels in lying])
        labels.append(images.labels)
    upright, *turned = np.concatenate(right, 1).mean(1)
    base = np.bincount(np.concatenate(labels)).max() / sum(map(len, labels))
    return bool(np.mean(turned) - base > TURNED_KEEP * (upright - base) > 0)


def _by_features(ground: Ground, parts: Parts) -> tuple[Classifier, float, ImageSet]:
    """Return a head on some features, how often it is right on some images that choose, and these."""
    learned, held = _some(ground, *parts[0], 1)
    model = FROZEN.head(replace(ground, observer=Observer()), learned, held[:0])
    right = FROZEN.probabilities(ground, model, held).argmax(1) == ground.images.labels[held]
    return model, float(right.mean()), ground.images.subset(held)


def _some(ground: Ground, train: np.ndarray, valid: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images to learn from and images to judge by, those whose features are there before others."""
    assert ground.borrowed is not None
    bank, order = ground.borrowed.bank, mixed(train, ground.images.labels, ground.seed)
    known, held = bank.known(order), bank.known(valid)
    most = LEARNED_FROM
    if not len(known):  # their features have to be made first, which the head can use later
        most = min(most, max(FEWEST_LEARNED, int(FILLED_SHARE * ground.clock.left_s / parts / bank.image_s)))
    learned = (known if len(np.unique(ground.images.labels[known])) > 1 else order)[:most]
    pool = held if len(held) else valid
    return learned, spread(pool, min(LOOKED_AT, most) / parts / max(1, len(pool)))
