"""Contents of reports without any training: images of noise, and probabilities that are right as often as asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.provenance import Provenance
from striate.data.imageset import ImageSet
from striate.data.ledger import Entry, Ledger
from striate.data.splitting import Splits
from striate.evaluation.report.contents import ReportContents
from striate.metrics.evaluation import Evaluation, evaluate_probabilities
from striate.nets import make_module, parse


def make_images(classes: Sequence[str], count: int, shape: tuple[int, int, int] = (8, 8, 3), seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    names = [f"{classes[i % len(classes)]}/{i}.png" for i in range(count)]
    return ImageSet(
        rng.integers(0, 256, (count, *shape), np.uint8), np.arange(count), np.arange(count) % max(1, len(classes)),
        tuple(classes), names, np.arange(count, dtype=np.uint64), np.full(count, ""),
        Ledger([Entry(name, "used") for name in names]),
    )  # fmt: skip


def judged(images: ImageSet, right: float = 0.8, seed: int = 0, groups: np.ndarray | None = None) -> Evaluation | None:
    """Return figures as of a classifier that names this share of the images right."""
    if not len(images):
        return None
    rng = np.random.default_rng(seed)
    k, n = len(images.classes), len(images)
    said = np.where(rng.random(n) < right, images.labels, rng.integers(0, k, n))
    probabilities = rng.random((n, k)).astype(np.float32) * 0.2
    probabilities[np.arange(n), said] += 1.0
    probabilities /= probabilities.sum(1, keepdims=True)
    return evaluate_probabilities(probabilities, images.labels, images.classes, groups=groups)


def make_model(classes: Sequence[str], shape: tuple[int, int, int] = (8, 8, 3), **told: Any) -> Classifier:
    h, w, c = shape
    net = parse(f"conv(4, 3) relu fc({len(classes)})")
    preprocessing = Preprocessing((h, w), c, "crop", np.zeros(c, np.float32), np.ones(c, np.float32))
    made = Provenance(valid_accuracy=0.8, data={"source": "noise"}, versions={"striate": "0"}, **told)
    return Classifier(tuple(classes), preprocessing, net, make_module(net, (c, h, w)), made)


def make_contents(
    classes: Sequence[str] = ("cat", "dog", "fox"), counts: tuple[int, int, int] = (60, 30, 30),
    shape: tuple[int, int, int] = (8, 8, 3), told: dict[str, Any] | None = None, **more: Any,
) -> ReportContents:  # fmt: skip
    parts = [make_images(classes, count, shape, seed) for seed, count in enumerate(counts)]
    splits = Splits(*parts)
    return ReportContents(
        make_model(classes, shape, **(told or {})), splits, *(judged(part) for part in parts[1:]), **more
    )
