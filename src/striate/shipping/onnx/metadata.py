"""What an exported model says of itself, for people and for programs."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from striate.classifier.classifier import Classifier
from striate.classifier.provenance import Provenance
from striate.data.decoding.fitted import GAP
from striate.errors import ArgumentError
from striate.metrics.prediction_sets import FREE_CLASSES, PENALTY
from striate.version import __version__

# For these precisions it is said from which probability on an answer is sure enough; for these coverages, which classes
# are in a set.
_SURE, _SETS = (0.9, 0.95, 0.98, 0.99), (0.9, 0.95, 0.99)


def describe_export(classifier: Classifier, outputs: tuple[str, ...]) -> dict[str, str]:
    """Return the metadata of a classifier's export, each value as JSON under a name that begins with `striate.`.

    Arguments:
        outputs: the graph's.
    """
    shape, said, novelty = classifier.preprocessing, classifier.provenance, classifier.trust.novelty
    weights = sources_of_weights(said)
    told: dict[str, Any] = {
        "version": __version__,
        "classes": list(classifier.classes),
        "net": str(classifier.net)[:2000],
        "weights": weights,
        "licence": licence_of(weights),
        # Where the images lay is the maker's own business.
        "trained_on": {"images": (said.data or {}).get("images"), "splits": said.splits},
        "accuracy": {"valid": said.valid_accuracy, "test": said.test_accuracy},
        "input": {
            "images": "uint8 (n, height, width, channels), any size, 0 … 255, already turned by EXIF, transparency "
            "laid over white; " + _channels(shape.channels) + "; large JPEG files decoded at a half, a quarter or an "
            f"eighth of their sides, as long as {GAP:g} pixels are left for one, give the same to the last grey level",
            "size": list(shape.size), "channels": shape.channels, "fit": shape.fit, "resize": shape.resize,
            "window": shape.window.to_json() if shape.window else None,
        },
        "views": classifier.views,
        "temperature": classifier.trust.temperature,
        "sure": _thresholds(classifier),
        "sets": _sets(classifier),
    }  # fmt: skip
    if "score" in outputs and novelty:
        told["none_of_these"] = {
            "by": novelty.name, "limit": novelty.limit, "false_alarm": novelty.false_alarm,
            "meaning": "known is score ≤ limit; an image that is not known is none of the classes",
        }  # fmt: skip
    return {f"striate.{name}": json.dumps(value) for name, value in told.items()}


def _channels(channels: int) -> str:
    if channels == 1:
        return "gray, or RGB that becomes gray as in Pillow"
    return "RGB, or gray that is repeated" if channels == 3 else f"{channels} bands"


def sources_of_weights(said: Provenance) -> list[str]:
    """Return where the weights that it began with, or stands on, came from; nothing of one from scratch."""
    return [*(said.weights or ()), *([f"features of {said.features}"] if said.features else ())]


def licence_of(weights: list[str]) -> str:
    """Return under what the weights may be used: those of published ones, where there are any."""
    own = "as the images that it was trained on allow; Striate asks for nothing"
    if not weights:
        return own
    said = " ".join(weights)
    if "timm/" in said:
        published = "timm names the licence of each of its models' weights"
    elif "efficientnet_lite" in said:
        published = "Apache-2.0 (EfficientNet-Lite, as Google published it)"
    elif "IMAGENET1K" in said:
        published = "BSD-3-Clause (torchvision)"
    else:
        published = f"that of the weights that it stands on, {said}"
    return f"{published}, learned from images that have terms of their own, ImageNet's among them; else {own}"


def _thresholds(classifier: Classifier) -> dict[str, float]:
    """Return by the wanted precision from which probability on an answer is sure; only those that can be promised."""
    found = {}
    for wanted in _SURE if classifier.trust.scores else ():
        threshold = classifier.trust.threshold(wanted).value
        if threshold is not None:
            found[str(wanted)] = float(threshold)
    return found


def _sets(classifier: Classifier) -> dict[str, Any]:
    """Return by the wanted coverage up to which score a class is in the set; only those that can be promised."""
    limits = {}
    for wanted in _SETS if classifier.trust.scores else ():
        with suppress(ArgumentError):  # too few validation images
            rule = classifier.trust.sets(wanted, len(classifier.classes))
            own = {classifier.classes[i]: float(rule.limits[i]) for i in rule.own.nonzero()[0]}
            limits[str(wanted)] = {"limit": next(iter(rule.limits[~rule.own].tolist()), None), "own": own}
    return {
        "limits": limits, "free_classes": FREE_CLASSES, "penalty": PENALTY,
        "meaning": "a class is in the set where the probabilities of all more probable ones, and the penalty for each "
        "place past the free ones, come to its limit at most: its own, or that of all",
    }  # fmt: skip
