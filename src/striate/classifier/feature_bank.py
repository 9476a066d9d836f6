"""Features of a set of images, computed as they are asked for, within the time that there is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cached_property

import numpy as np
from torch import Tensor

from striate.classifier.classifier import Classifier
from striate.classifier.features import device_of, extraction_s, feature_function, features_in
from striate.classifier.views import Views, view_count
from striate.data.imageset import ImageSet
from striate.data.tensors import images_at_once
from striate.observer import Progress, silent
from striate.system.devices import kept_memory


class FeatureBank:
    """The features of the images of a set, each computed when it is first asked for, and once.

    Arguments:
        model: a trained classifier, from `net_features`.
        images: the set; those of any of its subsets can be asked for.
        views: what they are averaged over.
    """

    def __init__(self, model: Classifier, images: ImageSet, views: Views = "none"):
        self.model, self.images = model, images
        self.views: Views = views
        self._place = {name: i for i, name in enumerate(images.names)}
        self._there, self._values = np.zeros(len(images), bool), np.zeros((0, 0), np.float32)

    def over(self, views: Views) -> FeatureBank:
        """Return the bank of the same features averaged over views of each image; nothing is in it yet."""
        bank = FeatureBank(self.model, self.images, views)
        bank.image_s = self.image_s * view_count(views) / view_count(self.views)  # not measured again
        return bank

    def _places(self, images: ImageSet) -> np.ndarray:
        return np.array([self._place[name] for name in images.names], np.int64)

    @cached_property
    def image_s(self) -> float:
        """Seconds that one image takes on this machine, as busy as it is now."""
        return view_count(self.views) * extraction_s(self.model, 1)

    def missing(self, positions: np.ndarray) -> int:
        """Return of how many of the set's images, at `positions`, the features are still to be computed."""
        return int((~self._there[positions]).sum())

    def known(self, positions: np.ndarray) -> np.ndarray:
        """Return those of the positions at which features are there."""
        return positions[self._there[positions]]

    def of_which_known(self, images: ImageSet) -> ImageSet:
        """Return those of a subset's images whose features are there."""
        return images.subset(np.flatnonzero(self._there[self._places(images)]))

    def of(self, images: ImageSet, progress: Progress = silent) -> np.ndarray:
        """Return the features float32 (n, d) of a subset, of these images or of them at another size."""
        positions = self._places(images)
        self.fill(positions, progress=progress)
        return self._values[positions]

    def fill(self, positions: np.ndarray, until: float = math.inf, progress: Progress = silent) -> None:
        """Compute the features of images at `positions`, in their order, up to a moment of `time.perf_counter`."""
        _, first = np.unique(positions, return_index=True)
        wanted = positions[np.sort(first)]
        wanted = wanted[~self._there[wanted]]
        run, size = self._run, images_at_once(*self.model.preprocessing.size, device_of(self.model))
        with kept_memory():
            for start in range(0, len(wanted), size):
                block = wanted[start : start + size]
                found = features_in(run, self.model, self.images.subset(block), 0, len(block), self.views)
                if not self._values.size:
                    self._values = np.zeros((len(self.images), found.shape[1]), np.float32)
                self._values[block], self._there[block] = found, True
                progress("features", start + len(block), len(wanted))
                if time.perf_counter() >= until:
                    break

    @cached_property
    def _run(self) -> Callable[[Tensor], Tensor]:
        return feature_function(self.model, None)
