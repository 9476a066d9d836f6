"""What may have led to a mistake: near copies among the training images, and the training images most like an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from striate.data.imageset import ImageSet
from striate.observer import Progress, silent

if TYPE_CHECKING:
    from striate.classifier.classifier import Classifier

NEIGHBOURS = 10
# Of so many images the like are looked for.
MOST_EXPLAINED = 200
# So many training images are looked at, evenly over all: features take as long as predictions.
MOST_TRAINING = 2_000
# An image is an odd one out where the next training image is further than this share of them have it to theirs.
USUAL_SHARE = 0.99


class KnownCopy(NamedTuple):
    """A training image of which another is a near copy: its name and label, an index into the model's classes."""

    name: str
    label: int


class Neighbourhood(NamedTuple):
    """The training images most like an image: their labels, the name of the nearest, and whether even that is far."""

    labels: tuple[int, ...]
    nearest: str
    odd: bool


@dataclass(frozen=True)
class Grounds:
    """What is known of judged images beside the probabilities, by their places; what is not known is not there.

    Arguments:
        copies: of images that are near copies of training images, one of these.
        neighbourhoods: the training images most like some of the images.
        compared: whether the training images were at hand, so that all copies are known.
    """

    copies: Mapping[int, KnownCopy] = field(default_factory=dict)
    neighbourhoods: Mapping[int, Neighbourhood] = field(default_factory=dict)
    compared: bool = False


def gather_grounds(
    model: Classifier, judged: ImageSet, seen: ImageSet, positions: np.ndarray, progress: Progress = silent
) -> Grounds:
    """Return what the training images tell of some judged images.

    Arguments:
        model: its features tell what is alike; one that makes none tells only of copies.
        judged, seen: two parts of one set, grouped together; `seen` was trained on.
        positions: int64 (m,), which of the judged images are asked about, those that matter most first.
    """
    index = {name: i for i, name in enumerate(model.classes)}
    labels = np.array([index.get(name, -1) for name in seen.classes], np.int64)[seen.labels]
    known = np.flatnonzero((seen.labels >= 0) & (labels >= 0))
    if not (len(known) and len(positions)):
        return Grounds()
    seen, labels = seen.subset(known), labels[known]
    copies = _copies(judged, seen, labels, positions)
    around = _around(model, judged, seen, labels, positions[:MOST_EXPLAINED], progress)
    return Grounds(copies, around, compared=judged.groups is not None)


def _copies(judged: ImageSet, seen: ImageSet, labels: np.ndarray, positions: np.ndarray) -> dict[int, KnownCopy]:
    """Return of each image that shares a group with training images one of them, of another label if there is one."""
    if judged.groups is None or seen.groups is None:
        return {}
    found: dict[int, KnownCopy] = {}
    order = np.argsort(seen.groups, kind="stable")
    grouped = seen.groups[order]
    for place in positions.tolist():
        group = judged.groups[place]
        members = order[np.searchsorted(grouped, group) : np.searchsorted(grouped, group, side="right")]
        if len(members):
            same = seen.labels[members] == judged.labels[place]
            first = int(members[np.argmin(same)])  # the first of another label, else the first
            found[place] = KnownCopy(seen.names[first], int(labels[first]))
    return found


def _around(
    model: Classifier,
    judged: ImageSet,
    seen: ImageSet,
    labels: np.ndarray,
    positions: np.ndarray,
    progress: Progress,
) -> dict[int, Neighbourhood]:
    """Return of each image the training images that the model's own features put nearest to it."""
    from striate.evaluation.embedding import embed

    step = max(1, -(-len(seen) // MOST_TRAINING))
    rows = np.arange(0, len(seen), step)
    if len(rows) <= NEIGHBOURS:
        return {}
    theirs = embed(model, seen.subset(rows), progress)
    mine = None if theirs is None else embed(model, judged.subset(positions), progress)
    if theirs is None or mine is None:
        return {}
    between = theirs @ theirs.T
    np.fill_diagonal(between, -np.inf)
    usual = np.quantile(between.max(1), 1 - USUAL_SHARE)
    alike = mine @ theirs.T
    found = {}
    for place, row in zip(positions.tolist(), alike, strict=True):
        nearest = rows[np.argsort(-row, kind="stable")[:NEIGHBOURS]]
        near = tuple(labels[nearest].tolist())
        found[place] = Neighbourhood(near, seen.names[int(nearest[0])], bool(row.max() < usual))
    return found
