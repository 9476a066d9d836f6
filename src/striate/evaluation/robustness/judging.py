"""A classifier's card, from a source: the images that it has not seen, sampled, under each corruption."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from striate.classifier.classifier import Classifier
from striate.classifier.unseen import labels_among, unseen
from striate.data.catalog import Catalog
from striate.data.dataset import find_groups, grouped
from striate.data.imageset import ImageSet
from striate.data.trainable import unlabelled
from striate.evaluation.robustness.card import RobustnessCard, judged_rows, measure_robustness
from striate.observer import Progress, silent


def judge_robustness(
    classifier: Classifier, data: Catalog | ImageSet, progress: Progress = silent, groups: str | None = None
) -> RobustnessCard:
    """Return the robustness card of a classifier on labelled images, those that `Classifier.evaluate` judges.

    Arguments:
        data: a catalog, or prepared images of the model's size.
        groups: as `Classifier.evaluate`; an image set has its own.

    Raises:
        DataError: no labels, a class that the model does not know, or nothing left to judge.
    """
    if isinstance(data, Catalog):
        if not (data.labels >= 0).any():
            raise unlabelled(data, "evaluation")
        images = classifier.prepare(data, progress)
        images = grouped(images, find_groups(images, data, groups, progress))
    else:
        images = data
    images, notes = unseen(images, classifier.trained_on)
    labels, matched = labels_among(images, classifier.classes)
    return card_of(classifier, images, labels, progress, (*notes, *matched))


def card_of(
    classifier: Classifier,
    images: ImageSet,
    labels: np.ndarray,
    progress: Progress = silent,
    notes: tuple[str, ...] = (),
) -> RobustnessCard:
    """Return the card on images that were chosen already.

    Arguments:
        labels: int64 (n,), indices into the model's classes.
        notes: for the reader of the figures.
    """
    rows = judged_rows(len(images), *images.image_shape[:2])
    if len(rows) < len(images):
        notes = (*notes, f"{len(rows):,} of {len(images):,} images were drawn for the card, always the same")
        images, labels = images.subset(rows), labels[rows]
    if classifier.views != "none":
        notes = (*notes, f"the card is of each image alone, without the model's views ({classifier.views})")
        classifier = replace(classifier, views="none")
    n = len(images)

    def predict(pixels: np.ndarray) -> np.ndarray:
        return classifier.predict_proba(replace(images, pixels=pixels, rows=np.arange(n)))

    pixels = np.ascontiguousarray(images.images)
    return replace(measure_robustness(predict, pixels, labels, images.groups, progress), notes=notes)
