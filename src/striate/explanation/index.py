"""The images that an image is compared with: some that the model keeps in its file, or those of a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.augmentation.sheet import choose_images
from striate.classifier.classifier import Classifier
from striate.classifier.samples import small_copies
from striate.data.catalog import Catalog
from striate.data.reading import read
from striate.errors import ArgumentError
from striate.observer import Progress, silent

MOST_IMAGES = 2000


@dataclass(frozen=True, eq=False)
class ImageIndex:
    """Images with their classes, and what the model sees of them.

    Arguments:
        origin: what they are, in words that follow a number.
        thumbnails: uint8 (m, t, t', c).
        labels: (m,), the names of their classes; empty of one that has none.
        names: (m,), in their source.
        features: float (m, d), what `Classifier.outputs` calls `last`; d is 0 of a model that has none.
    """

    origin: str
    thumbnails: np.ndarray
    labels: tuple[str, ...]
    names: tuple[str, ...]
    features: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def kept_index(model: Classifier) -> ImageIndex | None:
    """Return the training images that a model keeps in its file; None where it keeps none."""
    memory = model.samples.memory
    if memory is None or not len(memory.labels):
        return None
    labels = tuple(model.classes[i] for i in memory.labels.tolist())
    return ImageIndex("kept training images", memory.thumbnails, labels, memory.names, memory.features)


def read_index(
    model: Classifier,
    source: str | Path | Catalog,
    reading: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    most: int = MOST_IMAGES,
) -> ImageIndex:
    """Return images of a source, by turns one of each class, none of its test split, as the model sees them.

    Arguments:
        source: what `striate.read` takes, or a catalog.
        reading: options for `read`.
        most: how many.

    Raises:
        ArgumentError: none of them can be read.
        SourceNotFoundError: there is no such source.
    """
    catalog = source if isinstance(source, Catalog) else read(source, **(reading or {}), progress=progress)
    images = model.prepare(choose_images(catalog, most), progress, keep=False)
    if not len(images):
        raise ArgumentError(f"examples must hold images that can be read; {source} has none. striate check says why")
    alone, features = replace(model, views="none"), []
    for block in alone.outputs(images, progress=progress, features=True):
        features.append(block.features.get("last", np.zeros((len(block.logits), 0))).astype(np.float32))
    small = [small_copies(model.block(images, i, i + 1)) for i in range(len(images))]
    labels = tuple(images.classes[i] if i >= 0 else "" for i in images.labels.tolist())
    whole = "images" if isinstance(source, Catalog) else f"images of {str(source)[:200]}"
    names = tuple(map(str, images.names))
    return ImageIndex(whole, np.concatenate(small), labels, names, np.concatenate(features))
