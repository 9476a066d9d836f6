"""The images that a look inside a model is made on: a source that is named, or what the model itself keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.augmentation.sheet import choose_images
from striate.classifier.classifier import Classifier
from striate.data.builtin.names import is_name
from striate.data.catalog import Catalog
from striate.data.decoding.pixels import fit_pixels
from striate.data.reading import read
from striate.errors import ArgumentError
from striate.observer import Progress, silent

# Built-in sets that need no file and no network.
_AT_HAND = ("digits", "xo", "shapes")


@dataclass(frozen=True, eq=False)
class SeenImages:
    """Images to look at a model with.

    Arguments:
        pixels: uint8 (n, h, w, c) of the model's own size; none where there are none.
        labels: int64 (n,), indices into the model's classes; −1 where it is not known.
        names: (n,).
        origin: where they are from, for people.
        notes: what must be known of them.
    """

    pixels: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    origin: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)


def gather_images(
    model: Classifier, source: Any, most: int, seed: int, reading: dict[str, Any], progress: Progress = silent
) -> SeenImages:
    """Return at most `most` images: of the source, by turns one of each class; else those that the model keeps.

    Where it keeps none and was made from a set that needs no file, those; else none.
    """
    if most < 1:
        raise ArgumentError(f"images must be at least 1; got {most}")
    if source is not None:
        return _of_catalog(model, read(source, **reading, progress=progress), str(source)[:200], most, seed, progress)
    samples = getattr(model, "samples", None)
    memory, golden = (getattr(samples, name, None) for name in ("memory", "golden"))
    if memory is not None and len(memory.thumbnails):
        return _of_memory(model, memory, most)
    if golden is not None and len(golden.images):
        labels, count = np.asarray(golden.labels[:most]), min(most, len(golden.images))
        names = tuple(f"validation image {i}" for i in range(count))
        return SeenImages(golden.images[:most], labels, names, f"the {count} validation images that the model keeps")
    name = str((model.provenance.data or {}).get("source", ""))
    if name.partition(":")[0] in _AT_HAND and is_name(name):
        return _of_catalog(model, read(name), f"the built-in set {name}", most, seed, progress)
    empty = np.zeros((0, *model.preprocessing.size, model.preprocessing.channels), np.uint8)
    return SeenImages(empty, np.zeros(0, np.int64), (), "")


def _of_catalog(
    model: Classifier, catalog: Catalog, origin: str, most: int, seed: int, progress: Progress
) -> SeenImages:
    few = choose_images(catalog, most, seed)
    images = model.prepare(few, progress, keep=False)
    if not len(images):
        raise ArgumentError(
            f"{origin} must hold images that can be read; none of {len(few):,} can. striate check says why"
        )
    places = {name: i for i, name in enumerate(model.classes)}
    known = np.array([places.get(name, -1) for name in images.classes] or [-1])
    labels = np.where(images.labels >= 0, known[images.labels], -1)
    notes = []
    if len(images) < len(few):
        notes.append(f"{len(few) - len(images):,} of {len(few):,} images cannot be read and were left out.")
    if len(few) < len(catalog):
        notes.append(f"{len(few):,} of {len(catalog):,} images, drawn by turns from each class with seed {seed}.")
    pixels = model.block(images, 0, len(images))
    return SeenImages(pixels, labels, tuple(map(str, images.names)), origin, tuple(notes))


def _of_memory(model: Classifier, memory: Any, most: int) -> SeenImages:
    """Return training images that the model keeps, brought from their small size to its own."""
    # By turns one of each class: what is cut off at `most` is the same share of each.
    order = np.argsort(_turns(np.asarray(memory.labels)), kind="stable")[:most]
    small, size = np.asarray(memory.thumbnails)[order], model.preprocessing.size
    h, w = small.shape[1:3]
    # They were cut as the model wants it before they were made small.
    pixels = np.stack([fit_pixels(one, size, "stretch") for one in small])
    notes = (
        (f"They are kept at {h}×{w} pixels, so that small things are blurred; name a SOURCE for sharp ones.",)
        if (h, w) < model.preprocessing.size else ()
    )  # fmt: skip
    names = tuple(str(memory.names[i]) for i in order)
    origin = f"{len(order):,} training images that the model keeps"
    return SeenImages(pixels, np.asarray(memory.labels)[order], names, origin, notes)


def _turns(labels: np.ndarray) -> np.ndarray:
    """Return for each label how many equal ones came before it."""
    turns, met = np.empty(len(labels), np.int64), {}
    for i, label in enumerate(labels.tolist()):
        turns[i] = met[label] = met.get(label, -1) + 1
    return turns
