"""A scikit-learn estimator over the classifier: fit, predict, score, in pipelines and grid searches."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from striate.data.decoding.pixels import MOST_CHANNELS
from striate.data.decoding.windows import PixelWindow
from striate.data.readers.arrays import read_arrays
from striate.data.readers.pixel_columns import as_images, square_side
from striate.errors import ArgumentError, ShapeError
from striate.observer import Observer
from striate.selection.fit import run_one

GROUP = "group"
SMALLEST_PX = 3


class ImageClassifier(ClassifierMixin, BaseEstimator):
    """Train an image classifier as a scikit-learn estimator.

    Arguments:
        net: a name, "swift" for the size that suits, or a sentence such as "conv(16, 3) relu fc(classes)".
        recipe: a published name, a TOML file or a dictionary of settings.
        epochs, batch_size, learning_rate: changes to the recipe; None leaves it as it is.
        metric: what the best epoch has most of: "accuracy", "balanced-accuracy" or "macro-f1"; None as the recipe.
        balance: of uneven classes: "none", "loss" (each counts as much) or "draw" (each as often); None as the recipe.
        image_shape: (h, w) or (h, w, c) of images that come as flat rows (n, h·w·c). None: rows of a square number of
            values are square gray images, of three times one colour images (colour by colour or pixel by pixel,
            whichever is smoother), all others images of one row.
        valid_share: share of the images that choose the best epoch; 0 keeps the last one.
        seed: of every random choice.
        device: where to train; by default a GPU if there is one.

    Images are (n, h, w), (n, h, w, c) or flat rows. Pixels that are not uint8 are scaled so that the
    smallest and largest value of the training images become 0 and 255; later values outside are clipped.

    Attributes:
        classes_: (k,) the labels as given, sorted.
        classifier_: the `Classifier` inside, to save, evaluate and explain.

    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ImageClassifier(net="fc(64) relu fc(classes)", epochs=5, image_shape=(8, 8)).fit(X[:1000], y[:1000])
    >>> model.score(X[1000:], y[1000:]) > 0.8
    True
    """

    def __init__(
        self,
        net: str = "swift",
        recipe: Any = None,
        *,
        epochs: int | None = 8,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        metric: str | None = None,
        balance: str | None = None,
        image_shape: tuple[int, ...] | None = None,
        valid_share: float = 0.1,
        seed: int = 0,
        device: str | None = None,
    ):
        self.net = net
        self.recipe = recipe
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.metric = metric
        self.balance = balance
        self.image_shape = image_shape
        self.valid_share = valid_share
        self.seed = seed
        self.device = device

    def fit(self, X: Any, y: Any, groups: Any = None) -> ImageClassifier:
        """Train on images `X` and labels `y` (n,) of any type.

        Arguments:
            groups: (n,) of any type, equal for images that belong together: none of a group chooses the best epoch
                while others of it train. None or NaN among them: that image stands alone. None: each does.

        Raises:
            ShapeError: X is no array of images, or X and y differ in length.
            ArgumentError: a valid_share outside of [0, 1).
            ValueError: flat rows or labels that scikit-learn's own checks refuse.
        """
        if not 0 <= self.valid_share < 1:
            raise ArgumentError(f"valid_share must be at least 0 and below 1; got {self.valid_share}")
        if _dimensions(X) == 2:
            rows, labels = validate_data(self, X, y)
            images = self._from_rows(np.asarray(rows), fitting=True)
        else:
            images, labels = self._as_images(X), column_or_1d(y, warn=True)
        check_classification_targets(labels)
        if len(images) != len(labels):
            raise ShapeError(f"X and y must have the same length; got {len(images)} and {len(labels)}")
        self.pixel_range_ = (0.0, 255.0) if images.dtype == np.uint8 else (float(images.min()), float(images.max()))
        self.fitted_shape_ = images.shape[1:]
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ArgumentError(f"training needs at least two classes; y holds one class only, {self.classes_[0]!r}")
        changes = {
            "epochs": self.epochs, "batch_size": self.batch_size, "learning_rate": self.learning_rate,
            "metric": self.metric, "balance": self.balance,
        }  # fmt: skip
        catalog, told = read_arrays((self._enlarged(self._to_uint8(images)), numbers)), "none"
        if groups is not None:
            if len(groups) != len(labels):
                raise ShapeError(f"groups and y must have the same length; got {len(groups)} and {len(labels)}")
            if self.valid_share:
                keys = [_key(one) for one in column_or_1d(np.asarray(groups, object))]
                catalog, told = replace(catalog, columns={GROUP: keys}), GROUP
        result = run_one(
            catalog,
            self.net,
            self.recipe,
            groups=told,
            ratios=(1 - self.valid_share, self.valid_share, 0.0),
            device=self.device,
            observer=Observer(),  # a search fits hundreds: nobody wants to see each
            seed=self.seed,
            **{name: value for name, value in changes.items() if value is not None},
        )
        self.classifier_ = result.classifier
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return float32 (n, k): the probability of each of `classes_` for each image.

        Calibrated by the images that chose the best epoch, where that helps; with `valid_share` 0 there are none.
        """
        check_is_fitted(self)
        if _dimensions(X) == 2:
            images = self._from_rows(np.asarray(validate_data(self, X, reset=False)), fitting=False)
        else:
            images = self._as_images(X)
        self._warn_of_units(images)
        images = self._to_uint8(images)
        if images.shape[1:] != self.fitted_shape_:
            raise ShapeError(f"X must hold images {self.fitted_shape_} as in fit; got {images.shape[1:]}")
        return self.classifier_.predict_proba(self._enlarged(images))

    def predict(self, X: Any) -> np.ndarray:
        """Return (n,) the most probable label of each image."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(1)]

    def _from_rows(self, rows: np.ndarray, *, fitting: bool) -> np.ndarray:
        """Return flat rows (n, d) as images (n, h, w, c)."""
        count = rows.shape[1]
        if self.image_shape is not None:
            if np.prod(self.image_shape) != count:
                raise ShapeError(
                    f"image_shape {tuple(self.image_shape)} has {np.prod(self.image_shape)} values; "
                    f"the rows of X have {count}"
                )
            return self._as_images(rows.reshape(len(rows), *self.image_shape))
        found = square_side(count)
        if found is None:
            return self._as_images(rows.reshape(len(rows), 1, count))
        side, channels = found
        if fitting:
            images, said = as_images("X", rows)
            self.planes_first_ = channels == 3 and "one colour after the other" in said
        elif self.planes_first_:
            images = rows.reshape(len(rows), channels, side, side).transpose(0, 2, 3, 1)
        else:
            images = rows.reshape(len(rows), side, side, channels)
        return self._as_images(images)

    def _as_images(self, X: Any) -> np.ndarray:
        """Return images (n, h, w) or (n, h, w, c) as an array (n, h, w, c) of their own dtype."""
        images = np.asarray(X)
        if images.ndim == 3:
            images = images[..., None]
        if images.ndim != 4 or not 1 <= images.shape[3] <= MOST_CHANNELS or not images.size:
            raise ShapeError(f"X must be (n, h, w), (n, h, w, c) or flat rows; got {np.shape(X)}")
        if images.dtype == object or not (np.issubdtype(images.dtype, np.number) or images.dtype == bool):
            raise ArgumentError(f"X must hold numbers; got dtype {images.dtype}")
        if np.issubdtype(images.dtype, np.floating) and not np.isfinite(images).all():
            raise ArgumentError("X must hold finite numbers; it holds NaN or infinity. Replace them first")
        return images

    def _enlarged(self, images: np.ndarray) -> np.ndarray:
        """Return images with each pixel repeated where a side is shorter than the swift nets' windows."""
        if not str(self.net).startswith("swift"):
            return images
        for axis in (1, 2):
            images = images.repeat(-(-SMALLEST_PX // images.shape[axis]), axis)
        return images

    def _warn_of_units(self, images: np.ndarray) -> None:
        """Warn of pixels in other units than fit had: 0…1 for greater numbers, or nearly all far outside."""
        low, high = self.pixel_range_
        least, most = float(images.min()), float(images.max())
        fractions = least >= 0 and most <= 1 and images.dtype.kind == "f" and bool((images != np.rint(images)).any())
        far = high > low and PixelWindow("float64", (low,), (high,)).outside(images) > 0.9
        if far or (fractions and high > 2):
            warnings.warn(
                f"X holds {least:.4g} … {most:.4g} and held {low:.4g} … {high:.4g} in fit: these seem to be in other "
                "units. Scale it as it was there",
                UserWarning,
                stacklevel=3,
            )

    def _to_uint8(self, images: np.ndarray) -> np.ndarray:
        if images.dtype == np.uint8 and self.pixel_range_ == (0.0, 255.0):
            return images
        low, high = self.pixel_range_
        scaled = (images.astype(np.float64) - low) * (255 / max(high - low, 1e-12))
        return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _key(group: Any) -> str:
    """Return the name of a group; empty where there is none, as None and NaN say."""
    unknown = group is None or type(group).__name__ == "NAType" or (isinstance(group, float) and group != group)
    return "" if unknown else f"={group}"  # an empty name is one too


def _dimensions(X: Any) -> int:
    """Return how many axes X has; what is no array at all is left to scikit-learn's check of flat rows."""
    try:
        axes = np.asarray(X).ndim
    except ValueError:  # lists of unequal lengths
        return 2
    return axes if axes in (3, 4) else 2
