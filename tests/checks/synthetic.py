"""Sets whose features are known, with labels planted wrong."""

import numpy as np

from striate.checks.evidence import Evidence, Extractor
from striate.checks.held_out import standardised
from striate.data.imageset import ImageSet


def an_image_set(labels, classes=None, hashes=None, groups=None, pixels=None):
    n = len(labels)
    pixels = np.zeros((n, 4, 4, 1), np.uint8) if pixels is None else pixels
    hashes = np.arange(n, dtype=np.uint64) * 7919 if hashes is None else hashes
    names = [f"{i}.png" for i in range(n)]
    classes = tuple("abcdefgh"[: labels.max() + 1]) if classes is None else classes
    return ImageSet(pixels, np.arange(n), labels, classes, names, hashes, np.full(n, ""), groups=groups)


class Plain(Extractor):
    """Takes the pixels of an image as its features."""

    def of(self, images, progress=None):
        return images.images.reshape(len(images), -1).astype(np.float32)


def some_evidence(features, images):
    scaled, mean, scale = standardised(features)
    return Evidence(images, scaled, Plain("pixels as they are", None), mean, scale)


def blobs(n=600, classes=4, d=16, apart=1.0, seed=0):
    random = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = random.normal(size=(classes, d)) * apart
    return (centres[labels] + random.normal(size=(n, d))).astype(np.float32), labels


def planted(labels, classes, rate, seed=1):
    random, given = np.random.default_rng(seed), labels.copy()
    rows = random.permutation(len(labels))[: round(rate * len(labels))]
    given[rows] = (labels[rows] + random.integers(1, classes, len(rows))) % classes
    return given
