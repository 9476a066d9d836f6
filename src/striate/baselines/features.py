"""What heads are fitted to: an image's pixels, made smaller where it is large, or what a net makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from striate.classifier.classifier import Classifier
from striate.classifier.features import extract, tapped
from striate.classifier.heads.fitted import features_of
from striate.classifier.preprocessing import Preprocessing
from striate.data.decoding.pixels import Fit
from striate.data.imageset import ImageSet
from striate.data.tensors import to_batch
from striate.errors import ArgumentError
from striate.nets import Net, NetModule, make_module, parse
from striate.observer import Observer

# Beyond this side pixels cost more and tell a nearest neighbour or a tree no more.
LARGEST_SIDE_PX = 32
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Features:
    """A way from images to features.

    Arguments:
        preprocessing: what comes first.
        body: the net that makes them; None for the pixels as they are.
        of: whose features they are, for people; empty for pixels.
        model: the classifier that the net is from, which fits images of any size; None for pixels.
    """

    preprocessing: Preprocessing
    body: NetModule | None
    of: str = ""
    model: Classifier | None = None

    def extract(self, images: ImageSet, observer: Observer) -> np.ndarray:
        """Return the features of images: uint8 (n, d) of pixels as they are, else float32 (n, d)."""
        if self.body is None:
            planes = np.ascontiguousarray(images.images.transpose(0, 3, 1, 2))
            return planes.reshape(len(images), math.prod(images.image_shape))
        if self.model:
            return extract(self.model, images, progress=observer.prepare)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), _AT_ONCE):
                rows = images.rows[start : start + _AT_ONCE]
                pixels = self.preprocessing.normalise(to_batch(images.pixels[rows]))
                parts.append(features_of(self.body, pixels).numpy())
                observer.prepare("shrinking", start + len(rows), len(images))
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def pixel_features(image_shape: tuple[int, int, int], fit: Fit = "crop") -> Features:
    """Return pixels as features, 0…255, averaged over squares where images (h, w, c) are larger than 32 pixels."""
    height, width, channels = image_shape
    preprocessing = Preprocessing(
        (height, width), channels, fit, np.zeros(channels, np.float32), np.ones(channels, np.float32)
    )
    factor = -(-min(height, width) // LARGEST_SIDE_PX)
    body = make_module(parse(f"avgpool({factor})"), preprocessing.input_shape) if factor > 1 else None
    return Features(preprocessing, body)


def net_features(model: Classifier, name: str) -> Features:
    """Return as features what a classifier's net sees: the input of its last fc layer and the parts before, averaged.

    The whole image is looked at, not the cut with which published figures were measured.

    Arguments:
        model: its net, weights and preprocessing.
        name: what people call it.

    Raises:
        ArgumentError: it holds no net of Striate's.
    """
    if not isinstance(model.module, NetModule) or not isinstance(model.net, Net):
        raise ArgumentError(
            f"features come from a net that Striate knows layer by layer; {name} holds {model.net}. Name another model"
        )
    whole = tapped(replace(model, preprocessing=replace(model.preprocessing, resize=None)))
    assert isinstance(whole.module, NetModule)
    return Features(whole.preprocessing, whole.module, name, whole)
