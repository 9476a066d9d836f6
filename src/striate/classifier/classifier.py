"""The one thing that predicts: classes, preprocessing, weights and provenance together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from striate.classifier.inputs import as_inputs
from striate.classifier.prediction import Prediction, image_name, is_one_image
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.provenance import Provenance
from striate.classifier.unseen import HeldOut, hold_out
from striate.data.catalog import Catalog
from striate.data.dataset import find_groups, grouped
from striate.data.decoding.decode import decode
from striate.data.decoding.deep import check_bytes
from striate.data.decoding.pixels import check_convertible, fit_pixels, to_channels
from striate.data.imageset import ImageSet
from striate.data.labels import judge_labels
from striate.data.preparing.arrays import scaled_images
from striate.data.preparing.prepare import prepare
from striate.data.trainable import unlabelled
from striate.errors import (
    ArgumentError,
    DecodingError,
    MissingExtraError,
    ModelFileError,
    ShapeError,
    StriateError,
)
from striate.metrics.evaluation import Evaluation, evaluate_outcomes
from striate.metrics.outcomes import Outcomes
from striate.observer import Progress, silent

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from striate.classifier.heads.fitted import Fitted
    from striate.classifier.views import Views
    from striate.nets.modules.own import AnyNet

    OneImage = str | Path | Image.Image | np.ndarray
    Images = np.ndarray | ImageSet | Catalog | Sequence[OneImage]

# For so many images it pays to fold norms into filters and to keep memory, which a single one would wait for.
MANY_IMAGES = 16


@dataclass(frozen=True, eq=False)
class Classifier:
    """Classes, preprocessing, weights and provenance of a trained model; predicts on images of any size.

    Arguments:
        classes: (k,) class names, in the order of the net's outputs; none where weights make features alone.
        preprocessing: how an image becomes the net's input.
        net: the architecture, the reference of a module of the user's own, or what was fitted instead.
        module: its torch module with the trained weights, float (n, c, h, w) → logits (n, k).
        provenance: what it was made from and how.
        trained_on: uint64 (m,), digests of the images that training or the choice of the model has seen, sorted.
        views: what predictions are averaged over: none (the image alone), mirror or mirror-shift.
        sketches: int8 (s, d), by which near copies of the images in `trained_on` are known again; perhaps of a part.
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    net: AnyNet | Fitted
    module: torch.nn.Module
    provenance: Provenance = field(default_factory=Provenance)
    trained_on: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    views: Views = "none"
    sketches: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int8))

    def __repr__(self) -> str:
        h, w = self.preprocessing.size
        return f"<Classifier of {len(self.classes)} classes on {h}×{w}×{self.preprocessing.channels} images>"

    def predict_proba(
        self, images: Images, *, batch_size: int | None = None, progress: Progress = silent
    ) -> np.ndarray:
        """Return the probability of each class for each image, of the logits averaged over the model's `views` of it.

        Arguments:
            images: uint8 (n, h, w) or (n, h, w, c) of any size, or of the type that a model with a window learned; or
                an ImageSet, a Catalog, or a list of paths, PIL images, arrays, open files and tensors of any sizes.
            batch_size: how many images go through the net at once; None: as many as are fast.

        Returns:
            float32 (n, k); rows sum to 1.

        Raises:
            DecodingError: one of the images cannot be read; the message names it.
        """
        return self._probabilities(as_inputs(images), batch_size, progress)[0]

    def _probabilities(
        self, images: Images, batch_size: int | None, progress: Progress
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities, float32 (n, k), and what they would be of the images alone, in one pass."""
        import torch

        from striate.classifier.views import look
        from striate.data.tensors import images_at_once, to_batch
        from striate.nets.modules.folding import folded
        from striate.system.devices import fitting_threads, kept_memory

        parts, total = [(np.zeros((0, len(self.classes)), np.float32),) * 2], len(images)
        if not self.classes:
            raise ArgumentError(
                f"{self.net} has weights without classes, so it cannot name what it sees; it makes features, to which "
                "striate train SOURCE --features fits a head"
            )
        device = next((value.device for value in self.module.state_dict().values()), torch.device("cpu"))
        self.module.eval()
        batch_size = batch_size or images_at_once(*self.preprocessing.size, device)
        many = total > MANY_IMAGES
        module, keeping = (folded(self.module), kept_memory()) if many else (self.module, nullcontext())
        with torch.inference_mode(), fitting_threads(), keeping:
            for start in range(0, total, batch_size):
                pixels = self.block(images, start, min(start + batch_size, total))
                logits = look(module, to_batch(pixels, device), self.preprocessing, self.views)
                parts.append(tuple(one.softmax(1).cpu().numpy() for one in logits))
                progress("predicting", min(start + batch_size, total), total)
        averaged, alone = (np.concatenate(column) for column in zip(*parts, strict=True))
        return averaged, alone

    def predict(self, images: OneImage | Images) -> Prediction | list[Prediction]:
        """Return what the classifier says: one `Prediction` for one image, a list for several.

        One image is a path, bytes, an open file, a PIL image, an array (h, w) or (h, w, 1, 3 or 4), or a tensor
        (c, h, w), uint8 or in 0…1; several are a list of them, or anything else that `predict_proba` takes.

        Raises:
            ArgumentError: it is nothing of that; the message names the type.
        """
        given = as_inputs(images)
        if is_one_image(given):
            return Prediction(image_name(images), self.classes, self.predict_proba([given])[0])
        several = cast("Images", given)
        names = several.names if isinstance(several, ImageSet | Catalog) else [image_name(one) for one in several]
        rows = self.predict_proba(several)
        return [Prediction(name, self.classes, row) for name, row in zip(names, rows, strict=True)]

    def prepare(
        self, catalog: Catalog, progress: Progress = silent, *, keep: bool = True, learning: bool = False
    ) -> ImageSet:
        """Return the catalog's images decoded at this model's size, unreadable ones left to the ledger.

        Arguments:
            keep: whether they will be wanted again and belong into the cache.
            learning: whether they are to be learned from, and may have a window of their own.
        """
        shape = self.preprocessing
        if isinstance(catalog.images, np.ndarray) and min(catalog.images.shape[1:3]) < min(shape.size):
            # Small images, in memory: they are enlarged block by block when they are looked at.
            window = shape.window_for(learning)
            return prepare(catalog, None, shape.fit, shape.channels, progress=progress, keep=keep, window=window)
        return shape.prepare(catalog, progress, keep=keep, learning=learning)

    def evaluate(
        self, data: Catalog | ImageSet | str | Path, progress: Progress = silent, groups: str | None = None
    ) -> Evaluation:
        """Return how the classifier does on labelled images that it has not seen.

        Where the source has a test split of its own, that is judged; else all images but those that training or the
        choice of the model has seen (told by their pixels). What was left out or overlaps is said in the notes. Near
        copies of training images are judged too, counted, and the accuracy without them is given beside.

        Arguments:
            data: a catalog, an image set, or a source for `striate.read`.
            groups: which images belong together and are counted as one in intervals, as `DataOptions.groups`; an
                image set has its own.

        Raises:
            DataError: no labels, a class that the model does not know, or nothing left to judge.
        """
        held = self.held_out(data, progress, groups)
        return self.judge(held.images, held.labels, held.notes, progress, held.near)

    def held_out(
        self, data: Catalog | ImageSet | str | Path, progress: Progress = silent, groups: str | None = None
    ) -> HeldOut:
        """Return the images that `evaluate` judges, and those beside them that training has seen; same arguments."""
        if isinstance(data, str | Path):
            from striate.data.reading import read

            data = read(data)
        if isinstance(data, ImageSet):
            return hold_out(data, self.trained_on, self.sketches, self.classes)
        if not (data.labels >= 0).any():
            raise unlabelled(data, "evaluation")
        images = self.prepare(data, progress)
        images = grouped(images, find_groups(images, data, groups, progress))
        told = (*data.notes, *judge_labels(data.class_counts()))
        return hold_out(images, self.trained_on, self.sketches, self.classes, told)

    def judge(
        self,
        images: ImageSet,
        labels: np.ndarray,
        notes: Sequence[str] = (),
        progress: Progress = silent,
        near: np.ndarray | None = None,
    ) -> Evaluation:
        """Return how the classifier does on all of these images, seen or not, with and without their other views.

        Arguments:
            labels: int64 (n,), indices into this model's classes.
            notes: for the reader of the figures.
            near: bool (n,), which images are near copies of training images; None where nobody looked.
        """
        both = self._probabilities(images, None, progress)

        def figures(kept: np.ndarray) -> tuple[Evaluation, ...]:
            some, said = images.subset(kept), (Outcomes.of(one[kept], labels[kept]) for one in both)
            return tuple(evaluate_outcomes(one, self.classes, notes, some.groups, some.names) for one in said)

        averaged, alone = figures(np.arange(len(labels)))
        if near is not None:
            without = figures(np.flatnonzero(~near))[0] if 0 < near.sum() < len(near) else None
            averaged = replace(averaged, near_copies=int(near.sum()), without=without, near=near)
        if self.views == "none":
            return averaged
        from striate.classifier.views import view_count

        return replace(averaged, views=view_count(self.views), alone=alone)

    def save(self, path: str | Path) -> None:
        """Write the classifier to one `.striate` file, whole or not at all; see `striate.classifier.model_file`.

        Raises:
            StorageError: the disk is full or the folder cannot be written to; an older file at `path` is kept.
        """
        from striate.classifier.building import describe_module, kind_of
        from striate.classifier.model_file import write_model

        description = {
            "kind": kind_of(self.net),
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_json(),
            "net": str(self.net),
            "views": self.views,
            "provenance": self.provenance.to_json(),
            **describe_module(self.module),
        }
        tensors = {f"weights.{name}": value.detach().cpu().numpy() for name, value in self.module.state_dict().items()}
        tensors["preprocessing.mean"], tensors["preprocessing.std"] = self.preprocessing.mean, self.preprocessing.std
        tensors["trained_on"] = self.trained_on
        if len(self.sketches):
            tensors["sketches"] = self.sketches
        write_model(path, description, tensors)

    @classmethod
    def load(cls, path: str | Path, module: torch.nn.Module | None = None) -> Classifier:
        """Return the classifier saved at `path`; loading runs no code from the file.

        Arguments:
            module: for the weights of a module of your own, that module, built as it was for training.

        Raises:
            SourceNotFoundError: no such file.
            ModelFileError: not a model, damaged, or of a version that this Striate does not know.
            MissingExtraError: it is a model of timm's, and timm is not installed.
        """
        from striate.classifier.model_file import read_model

        description, tensors = read_model(path)
        try:
            return cls._rebuilt(description, tensors, module)
        except MissingExtraError as error:
            raise MissingExtraError(f"{Path(path)}: {error}") from None
        except StriateError as error:
            raise ModelFileError(f"{Path(path)}: {error}") from None

    @classmethod
    def _rebuilt(
        cls, description: dict[str, Any], tensors: dict[str, np.ndarray], module: torch.nn.Module | None
    ) -> Classifier:
        """Return the classifier that `save` described; every tensor must be there, none spare, and all fit."""
        import torch

        from striate.classifier.building import rebuild_module
        from striate.classifier.model_file import TENSORS
        from striate.classifier.views import check_views

        for name in ("preprocessing.mean", "preprocessing.std", "trained_on"):
            if name not in tensors:
                raise ModelFileError(f"{TENSORS} has no {name}")
        preprocessing = Preprocessing.from_parts(
            description["preprocessing"], tensors.pop("preprocessing.mean"), tensors.pop("preprocessing.std")
        )
        trained_on = tensors.pop("trained_on")
        sketches = tensors.pop("sketches", np.zeros((0, 0), np.int8))
        views = check_views(description.get("views", "none"))  # files of before there were views have none
        weights = {name.removeprefix("weights."): torch.from_numpy(value.copy()) for name, value in tensors.items()}
        net, built = rebuild_module(description, weights, preprocessing.input_shape, module)
        classes, provenance = tuple(description["classes"]), Provenance.from_json(description["provenance"])
        return cls(classes, preprocessing, net, built, provenance, trained_on, views, sketches)

    def to(self, device: torch.device | str) -> Classifier:
        """Move the weights to `device` and return the classifier."""
        self.module.to(device)
        return self

    def block(self, images: Images, start: int, stop: int) -> np.ndarray:
        """Return images start…stop as uint8 (m, h, w, c) of the model's own size, as its net is given them."""
        if isinstance(images, ImageSet):
            block: Iterable[Any] = images.pixels[images.rows[start:stop]]
        elif isinstance(images, Catalog):
            window = self.preprocessing.window
            own = images.images if images.raw is None or window in (None, images.window) else images.raw
            block = own[start:stop]
        else:
            block = images[start:stop]
        if isinstance(block, np.ndarray) and block.ndim in (3, 4) and not isinstance(images, ImageSet):
            block = self._windowed(block)
        if isinstance(block, np.ndarray):
            if block.dtype != np.uint8 or block.ndim not in (3, 4):
                raise ShapeError(
                    "images must be uint8 (n, h, w) or (n, h, w, c), values 0…255; "
                    f"got {block.dtype} {(len(images), *block.shape[1:])}"
                )
            block = block[..., None] if block.ndim == 3 else block
            # An image set of this size was cut to it; of plain arrays that is known only where nothing is cut.
            cut = isinstance(images, ImageSet) or self.preprocessing.resize is None
            if cut and block.shape[1:] == (*self.preprocessing.size, self.preprocessing.channels):
                return block
        return np.stack([self._fit(one, scaled=isinstance(block, np.ndarray)) for one in block])

    def _windowed(self, block: np.ndarray) -> np.ndarray:
        """Return arrays that are not of bytes as bytes, where this model knows how."""
        if block.dtype == np.uint8 or self.preprocessing.window is None or block.dtype.kind not in "iuf":
            check_bytes(self.preprocessing.window if block.dtype == np.uint8 else None)
            return block
        return scaled_images(block[..., None] if block.ndim == 3 else block, self.preprocessing.window)

    def _fit(self, image: Any, *, scaled: bool = False) -> np.ndarray:
        shape = self.preprocessing
        try:
            pixels = decode(image, None if scaled else shape.window, shape.channels).pixels
            check_convertible(pixels, shape.channels)
        except DecodingError as error:
            name = image_name(image)
            raise DecodingError(f"{name}: {error}" if name else str(error)) from None
        return to_channels(fit_pixels(pixels, shape.size, shape.fit, shape.resize), shape.channels)
