"""How far an image is from the training images, by one way of looking: numbers that are larger the stranger it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from striate.classifier.novelty.directions import principal_directions
from striate.errors import ModelFileError

# Features of more numbers than these are brought to so many directions in which the training images differ most.
DIRECTIONS = 64
# The distance is that to the so-many-th nearest.
NEIGHBOURS = 5
# What a spread of nearly 0 is raised to, as a share of the mean spread: a pixel that is always 0 tells nothing by 1e-9.
LEAST_SPREAD = 1e-2
# So many distances are computed at once, some 64 MB.
_AT_ONCE = 8_000_000

Seen = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Where distances are measured: features brought to one scale, and to few directions where they are many.

    Arguments:
        source: by what name the features are seen: `appearance`, `last`, `layers`.
        mean, scale: float32 (d,), of the training images.
        directions: float32 (d, p), orthonormal, or (d, 0) for all features as they are. How far features are from all
            that these can make is one number more (Wang et al. 2022, "ViM", the residual).
        unit: whether only the direction of the features counts, not their length.
    """

    source: str
    mean: np.ndarray
    scale: np.ndarray
    directions: np.ndarray
    unit: bool = False

    def __call__(self, seen: Seen) -> np.ndarray:
        """Return float32 (n, d) of what was seen of images, or (n, p + 1) where there are directions."""
        values = (_unit(seen[self.source]) if self.unit else seen[self.source]).astype(np.float32)
        values = (values - self.mean) / self.scale
        if not self.directions.shape[1]:
            return values
        inside = values @ self.directions
        rest = np.square(values).sum(1, keepdims=True) - np.square(inside).sum(1, keepdims=True)
        return np.concatenate([inside, np.sqrt(np.maximum(rest, 0))], axis=1)

    @classmethod
    def of(cls, source: str, features: np.ndarray, *, unit: bool = False) -> FeatureSpace:
        """Return the space of training features float32 (m, d)."""
        values = (_unit(features) if unit else features).astype(np.float64)
        mean, scale = values.mean(0), values.std(0)
        scale = np.full_like(scale, scale.mean()) if unit else np.maximum(scale, LEAST_SPREAD * scale.mean())
        scale[scale == 0] = 1.0
        directions = np.zeros((len(mean), 0))
        if len(mean) > 2 * DIRECTIONS:
            centred = ((values - mean) / scale).astype(np.float32)
            directions = principal_directions(centred, min(DIRECTIONS, len(centred)))
        mean, scale, directions = (one.astype(np.float32) for one in (mean, scale, directions))
        return cls(source, mean, scale, directions, unit)


@dataclass(frozen=True, eq=False)
class NearestDistance:
    """The distance to the fifth nearest of some training images.

    Arguments:
        space: where it is measured.
        references: float16 (m, p), those training images there.

    Source: Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors".
    """

    word: ClassVar[str] = "neighbours"
    space: FeatureSpace
    references: np.ndarray

    @property
    def name(self) -> str:
        """What people call it."""
        return f"neighbours by {self.space.source}"

    def scores(self, seen: Seen, logits: np.ndarray) -> np.ndarray:
        """Return float64 (n,): larger for stranger images."""
        return nearest_distance(squared_distances(self.space(seen), self.references))


@dataclass(frozen=True, eq=False)
class Surprise:
    """How little the logits speak for any class: minus the logarithm of the sum of their exponentials.

    Source: Liu et al. 2020, "Energy-based Out-of-distribution Detection".
    """

    word: ClassVar[str] = "energy"

    @property
    def name(self) -> str:
        """What people call it."""
        return "energy of the logits"

    def scores(self, seen: Seen, logits: np.ndarray) -> np.ndarray:
        """Return float64 (n,): larger for stranger images."""
        from scipy.special import logsumexp

        return -np.asarray(logsumexp(logits.astype(np.float64), axis=1))


@dataclass(frozen=True, eq=False)
class Doubt:
    """How far the most probable class is from certain: the one score that every classifier has.

    Source: Hendrycks and Gimpel 2017, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples".
    """

    word: ClassVar[str] = "softmax"

    @property
    def name(self) -> str:
        """What people call it."""
        return "maximum softmax"

    def scores(self, seen: Seen, logits: np.ndarray) -> np.ndarray:
        """Return float64 (n,): larger for stranger images."""
        from scipy.special import logsumexp

        return logsumexp(logits.astype(np.float64), axis=1) - logits.max(1, initial=-np.inf)


Detector = NearestDistance | Surprise | Doubt
DETECTORS: dict[str, type[Detector]] = {one.word: one for one in (NearestDistance, Surprise, Doubt)}


def squared_distances(points: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the squared distances of points (n, p) to references (m, p), float32 (n, m)."""
    references = references.astype(np.float32)
    lengths, block = np.square(references).sum(1), max(1, _AT_ONCE // max(1, len(references)))
    parts = [np.zeros((0, len(references)), np.float32)]
    for start in range(0, len(points), block):
        some = points[start : start + block]
        parts.append(np.maximum(np.square(some).sum(1)[:, None] - 2 * some @ references.T + lengths, 0))
    return np.concatenate(parts)


def nearest_distance(squared: np.ndarray) -> np.ndarray:
    """Return the distance to the fifth nearest, float64 (n,), of squared distances (n, m); to the last of fewer."""
    place = min(NEIGHBOURS, squared.shape[1]) - 1
    return np.sqrt(np.partition(squared, place, axis=1)[:, place].astype(np.float64))


def describe_detector(detector: Detector, key: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a model file says of a detector: plain values, and arrays by names that begin with `key`."""
    if not isinstance(detector, NearestDistance):
        return {"kind": detector.word}, {}
    space = detector.space
    arrays = {"mean": space.mean, "scale": space.scale, "directions": space.directions.astype(np.float16)}
    arrays["references"] = detector.references
    return {"kind": detector.word, "source": space.source, "unit": space.unit}, {
        f"{key}.{name}": value for name, value in arrays.items()
    }


def rebuild_detector(said: Any, tensors: dict[str, np.ndarray], key: str) -> Detector:
    """Return the detector that `describe_detector` described; its arrays are taken out of `tensors`.

    Raises:
        ModelFileError: anything missing, not finite or that does not fit.
    """
    kind = said.get("kind") if isinstance(said, dict) else None
    if kind not in DETECTORS:
        raise ModelFileError(f"unknown detector {kind!r:.40}. Upgrade Striate")
    if kind != NearestDistance.word:
        return DETECTORS[kind]()  # pyright: ignore[reportCallIssue]
    found = {name: tensors.pop(f"{key}.{name}", None) for name in ("mean", "scale", "directions", "references")}
    mean, scale, directions, references = found.values()
    if mean is None or scale is None or directions is None or references is None:
        raise ModelFileError(f"the detector {key} needs {', '.join(found)}")
    width = directions.shape[-1] + 1 if directions.shape[-1] else len(mean)
    fits = (
        mean.ndim == scale.ndim == 1
        and directions.shape[:1] == mean.shape == scale.shape
        and references.ndim == directions.ndim == 2
        and references.shape[1] == width
        and len(references) > 0
        and all(one.dtype.kind == "f" and np.isfinite(one).all() for one in (mean, scale, directions, references))
        and (scale > 0).all()
    )
    if not fits or not isinstance(said.get("source"), str):
        raise ModelFileError(f"the arrays of the detector {key} do not fit each other")
    space = FeatureSpace(said["source"], mean, scale, directions.astype(np.float32), bool(said.get("unit")))
    return NearestDistance(space, references)


def _unit(values: np.ndarray) -> np.ndarray:
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def sources_of(detectors: Sequence[Detector]) -> set[str]:
    """Return what has to be seen of images for these detectors."""
    return {one.space.source for one in detectors if isinstance(one, NearestDistance)}
