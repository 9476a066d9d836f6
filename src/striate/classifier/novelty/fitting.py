"""Which score tells images of no class best, found by holding out classes and by pictures of nothing; and its limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.classifier.novelty.detectors import (
    Detector,
    Doubt,
    FeatureSpace,
    NearestDistance,
    Seen,
    Surprise,
    nearest_distance,
    squared_distances,
)
from striate.classifier.novelty.novelty import FALSE_ALARM, Novelty, joint, ranking
from striate.metrics.quantiles import conformal_quantile, fewest_for

# So many classes are held out, one after another; each needs so many validation images.
HELD_OUT, LEAST_OF_CLASS = 5, 5
# So many validation images choose the score; all of them set its limit.
CHOOSING = 1500
# These always take part: pictures of nothing are far more various than those that are made here to choose by, and what
# a net says of classes that it has learned tells too well which of them was held out.
ALWAYS = ("appearance", "layers")
# One of these is chosen beside them.
BESIDE = (("energy",), ("softmax",), ("last",), ("last", "energy"), ("last", "softmax"))


Scores = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Looked:
    """What was seen of some images.

    Arguments:
        seen: by name, float32 (n, d): `appearance`, and `last` and `layers` where the model has them.
        logits: float32 (n, k), of the images alone.
        labels: int64 (n,); none of images without.
        groups: int64 (n,), equal for images that belong together; None: each stands alone.
    """

    seen: Seen
    logits: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None = None

    def subset(self, rows: np.ndarray) -> Looked:
        """Return the same of the images at `rows`."""
        groups = None if self.groups is None else self.groups[rows]
        return Looked(
            {name: value[rows] for name, value in self.seen.items()}, self.logits[rows], self.labels[rows], groups
        )


def fit_novelty(
    train: Looked, valid: Looked, strange: Mapping[str, Looked], false_alarm: float = FALSE_ALARM
) -> tuple[Novelty | None, dict[str, Any]]:
    """Return what tells images of no class and how it was found, as plain values; None where too few images tell.

    Arguments:
        train: some training images; the distances are to these.
        valid: images that were not trained on.
        strange: images of nothing, by their kind.
        false_alarm: the share of images of the classes of which it may be said that they are none of these.
    """
    count = len(valid.labels if valid.groups is None else np.unique(valid.groups))
    fewest = fewest_for(1 - false_alarm)
    if count < fewest or not len(train.labels):
        return None, {"score": None, "why": f"that takes {fewest} validation images, there are {count}"}
    detectors = _detectors(train, valid)
    some = valid.subset(np.unique(np.linspace(0, len(valid.labels) - 1, CHOOSING).astype(int)))
    tried = _tried(detectors, train, some, strange)
    best = max((one for one in tried if one["whole"]), key=lambda one: (one["mean"], -len(one["parts"])))
    kept = tuple(detectors[name] for name in best["parts"])
    scores = [one.scores(valid.seen, valid.logits) for one in kept]
    ranked = tuple(map(ranking, scores))
    limit = conformal_quantile(joint(scores, ranked), 1 - false_alarm, valid.groups)
    novelty = Novelty(kept, ranked, limit, false_alarm)
    told = [{key: value for key, value in one.items() if key not in ("parts", "mean", "whole")} for one in tried]
    return novelty, {"score": novelty.name, "false_alarm": false_alarm, "candidates": told}


def _detectors(train: Looked, valid: Looked) -> dict[str, Detector]:
    """Return each detector by a short name."""
    found: dict[str, Detector] = {"softmax": Doubt()}
    if np.ptp(Surprise().scores(valid.seen, valid.logits)) > 1e-3:  # of logarithms of probabilities it is always 0
        found["energy"] = Surprise()
    for source, features in train.seen.items():
        space = FeatureSpace.of(source, features, unit=source == "last")
        found[source] = NearestDistance(space, space(train.seen).astype(np.float16))
    return found


def _tried(
    detectors: Mapping[str, Detector], train: Looked, valid: Looked, strange: Mapping[str, Looked]
) -> list[dict[str, Any]]:
    """Return for each candidate how well it tells held-out classes, and pictures of nothing, from validation images."""
    plain = _scores(detectors, valid)
    far = [(plain, _scores(detectors, looked)) for looked in strange.values()]
    close = _held_out(detectors, train, valid)
    always = tuple(name for name in ALWAYS if name in detectors)
    sums = [always + one for one in BESIDE if detectors.keys() >= set(one)]
    tried = []
    for parts in dict.fromkeys([*((name,) for name in detectors), *sums]):
        figures = [_told_apart(pairs, parts) for pairs in (close, far)]
        known = [one for one in figures if one is not None]
        tried.append({
            "score": " + ".join(detectors[name].name for name in parts), "held_out_classes": figures[0],
            "corruptions": figures[1], "parts": parts, "mean": float(np.mean(known)) if known else 0.0,
            "whole": parts in sums,
        })  # fmt: skip
    return tried


def _scores(detectors: Mapping[str, Detector], looked: Looked) -> Scores:
    return {name: one.scores(looked.seen, looked.logits) for name, one in detectors.items()}


def _told_apart(pairs: Sequence[tuple[Scores, Scores]], parts: Sequence[str]) -> float | None:
    """Return how well the sum of some detectors tells the second of each pair from the first: the mean AUROC."""
    areas = []
    for known, odd in pairs:
        ranked = [ranking(known[name]) for name in parts]
        below, above = (joint([some[name] for name in parts], ranked) for some in (known, odd))
        areas.append(_auroc(below, above))
    return float(np.mean(areas)) if areas else None


def _auroc(below: np.ndarray, above: np.ndarray) -> float:
    """Return how often a score of the second is the higher one, ties half; scikit-learn's is far slower."""
    ordered = np.sort(below)
    places = [np.searchsorted(ordered, above, side=side).mean() for side in ("left", "right")]
    return float(np.mean(places) / len(below))


def _held_out(detectors: Mapping[str, Detector], train: Looked, valid: Looked) -> list[tuple[Scores, Scores]]:
    """Return for each class held out the scores of the other images and of its own, as if it had not been there."""
    classes, counts = np.unique(valid.labels, return_counts=True)
    usable = classes[(counts >= LEAST_OF_CLASS) & np.isin(classes, train.labels)]
    if valid.logits.shape[1] < 3 or not len(usable):
        return []
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, HELD_OUT).astype(int))]
    apart = {
        name: squared_distances(one.space(valid.seen), one.references)
        for name, one in detectors.items()
        if isinstance(one, NearestDistance)
    }
    pairs = []
    for label in chosen.tolist():
        others = np.flatnonzero(train.labels != label)
        logits = np.delete(valid.logits, label, axis=1)
        scores = {
            name: nearest_distance(apart[name][:, others]) if name in apart else one.scores(valid.seen, logits)
            for name, one in detectors.items()
        }
        own = valid.labels == label
        others, own = ({name: value[which] for name, value in scores.items()} for which in (~own, own))
        pairs.append((others, own))
    return pairs
