"""A few of the images that a model was made from, kept in its file: to check a copy of it by, and to explain by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from striate.errors import ModelFileError

# No side of a thumbnail is longer than this.
THUMBNAIL_PX = 48


@dataclass(frozen=True, eq=False)
class Golden:
    """Images with the answers that the model gave when it was saved; every copy of it must answer alike.

    Arguments:
        images: uint8 (g, h, w, c), validation images of the model's own size, after any window.
        labels: int64 (g,), their true classes.
        probabilities: float32 (g, k), what `predict_proba` gave for these arrays.
    """

    images: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True, eq=False)
class Remembered:
    """Some training images, small, with what the model saw of them.

    Arguments:
        thumbnails: uint8 (m, t, t', c), neither side above `THUMBNAIL_PX`.
        labels: int64 (m,), their classes.
        names: (m,), as in the source.
        features: float16 (m, d), what `Classifier.outputs` calls `last`; d is 0 of a model that has none.
    """

    thumbnails: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    features: np.ndarray


@dataclass(frozen=True, eq=False)
class Samples:
    """What a model keeps of its images; None where it was trained with `--no-samples`, or there were none."""

    golden: Golden | None = None
    memory: Remembered | None = None

    def describe(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a model file says of it: plain values, and arrays by names that begin with `samples.`."""
        tensors: dict[str, np.ndarray] = {}
        said: dict[str, Any] = {}
        if self.golden:
            tensors |= {f"samples.golden.{name}": value for name, value in vars(self.golden).items()}
        if self.memory:
            said["names"] = list(self.memory.names)
            arrays = {name: value for name, value in vars(self.memory).items() if name != "names"}
            tensors |= {f"samples.memory.{name}": value for name, value in arrays.items()}
        return said, tensors

    @classmethod
    def rebuilt(cls, said: Any, tensors: dict[str, np.ndarray], shape: tuple[int, int, int], classes: int) -> Samples:
        """Return what `describe` described. Files of before say None, and have no such tensors.

        Arguments:
            shape: (c, h, w) of the model.
            classes: how many it has.

        Raises:
            ModelFileError: anything missing, spare, out of range or that does not fit.
        """
        names = said.get("names") if isinstance(said, dict) else None
        wanted = {f"samples.golden.{name}" for name in ("images", "labels", "probabilities")}
        kept = {f"samples.memory.{name}" for name in ("thumbnails", "labels", "features")}
        here = set(tensors)
        if here - wanted - kept or here & wanted not in (set(), wanted) or here & kept not in (set(), kept):
            raise ModelFileError(f"the kept samples are not whole: {', '.join(sorted(here)[:6])}")
        if (names is not None) != bool(here & kept):
            raise ModelFileError("the kept samples must have names and images together")
        golden = Golden(*(tensors[f"samples.golden.{name}"] for name in ("images", "labels", "probabilities"))) \
            if here & wanted else None  # fmt: skip
        memory = None
        if here & kept:
            thumbnails, labels, features = (
                tensors[f"samples.memory.{name}"] for name in ("thumbnails", "labels", "features")
            )
            if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
                raise ModelFileError("the names of kept samples must be text")
            memory = Remembered(thumbnails, labels, tuple(names), features)
        if golden:
            _check_golden(golden, shape, classes)
        if memory:
            _check_memory(memory, shape[0], classes)
        return cls(golden, memory)


def shrunk(pixels: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return pixels uint8 (h, w, c) of any number of bands as small as (t, t'), as thumbnails are made."""
    height, width = size
    planes = [Image.fromarray(np.ascontiguousarray(pixels[..., i])) for i in range(pixels.shape[2])]
    return np.stack([np.asarray(one.resize((width, height), Image.Resampling.BOX)) for one in planes], -1)


def small_copies(images: np.ndarray) -> np.ndarray:
    """Return images uint8 (n, h, w, c) no side of which is longer than `THUMBNAIL_PX`."""
    h, w = images.shape[1:3]
    if max(h, w) <= THUMBNAIL_PX:
        return images
    scale = THUMBNAIL_PX / max(h, w)
    size = max(1, round(h * scale)), max(1, round(w * scale))
    return np.stack([shrunk(one, size) for one in images])


def _check_golden(golden: Golden, shape: tuple[int, int, int], classes: int) -> None:
    n, (c, h, w) = len(golden.labels), shape
    if golden.images.dtype != np.uint8 or golden.images.shape != (n, h, w, c):
        raise ModelFileError(f"the golden images must be uint8 {(n, h, w, c)}; got {golden.images.shape}")
    if golden.probabilities.shape != (n, classes) or not np.isfinite(golden.probabilities).all():
        raise ModelFileError(f"the golden answers must be finite, {(n, classes)}; got {golden.probabilities.shape}")
    _check_labels(golden.labels, classes)


def _check_memory(memory: Remembered, channels: int, classes: int) -> None:
    n, shape = len(memory.labels), memory.thumbnails.shape
    fits = memory.thumbnails.dtype == np.uint8 and len(shape) == 4 and shape[0] == n and shape[3] == channels
    if not fits or len(memory.names) != n or memory.features.ndim != 2 or len(memory.features) != n:
        raise ModelFileError("the kept training images, their names, labels and features must be equally many")
    if memory.features.dtype != np.float16:
        raise ModelFileError(f"the features of kept images must be float16; got {memory.features.dtype}")
    _check_labels(memory.labels, classes)


def _check_labels(labels: np.ndarray, classes: int) -> None:
    if (
        labels.dtype != np.int64
        or labels.ndim != 1
        or (len(labels) and not 0 <= labels.min() <= labels.max() < classes)
    ):
        raise ModelFileError(f"the labels of kept samples must be int64, from 0 to {classes - 1}")
