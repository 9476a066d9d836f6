"""The one thing that predicts: classes, preprocessing, weights and provenance together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from striate.classifier.blocks import Images, OneImage, pixel_block
from striate.classifier.classifier_html import classifier_html
from striate.classifier.inputs import as_inputs
from striate.classifier.prediction import Prediction, image_name, is_one_image
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.provenance import Provenance
from striate.classifier.samples import Samples
from striate.classifier.trust import Trust
from striate.classifier.unseen import HeldOut, hold_out
from striate.data.catalog import Catalog
from striate.data.dataset import find_groups, grouped
from striate.data.imageset import ImageSet
from striate.data.labels import judge_labels
from striate.data.preparing.prepare import prepare
from striate.data.trainable import unlabelled
from striate.errors import ArgumentError, MissingExtraError, ModelFileError, StriateError
from striate.metrics.calibration import softmax_at
from striate.metrics.evaluation import Evaluation, evaluate_outcomes
from striate.metrics.outcomes import Outcomes
from striate.observer import Progress, silent

if TYPE_CHECKING:
    import torch

    from striate.classifier.heads.fitted import Fitted
    from striate.classifier.outputs import Outputs
    from striate.classifier.views import Views
    from striate.nets.modules.own import AnyNet

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
        views: what predictions are averaged over: none (the image alone), mirror, mirror-shift or turns.
        sketches: int8 (s, d), by which near copies of the images in `trained_on` are known again; perhaps of a part.
        trust: how far to trust it: temperature, what the validation images promise, what is none of the classes.
        samples: a few of its images, to check copies of it by and to explain by.
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    net: AnyNet | Fitted
    module: torch.nn.Module
    provenance: Provenance = field(default_factory=Provenance)
    trained_on: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    views: Views = "none"
    sketches: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int8))
    trust: Trust = field(default_factory=Trust)
    samples: Samples = field(default_factory=Samples)

    def __repr__(self) -> str:
        h, w = self.preprocessing.size
        return f"<Classifier of {len(self.classes)} classes on {h}×{w}×{self.preprocessing.channels} images>"

    def _repr_html_(self) -> str:
        return classifier_html(self)

    def predict_proba(
        self, images: Images, *, batch_size: int | None = None, progress: Progress = silent
    ) -> np.ndarray:
        """Return the calibrated probability of each class for each image, averaged over the model's `views` of it.

        The softmax of the averaged logits, divided by the temperature that suits the validation images.

        Arguments:
            images: uint8 (n, h, w) or (n, h, w, c) of any size, or of the type that a model with a window learned; or
                an ImageSet, a Catalog, or a list of paths, PIL images, arrays, open files and tensors of any sizes.
            batch_size: how many images go through the net at once; None: as many as are fast.

        Returns:
            float32 (n, k); rows sum to 1.

        Raises:
            DecodingError: one of the images cannot be read; the message names it.
        """
        blocks = self.outputs(as_inputs(images), batch_size, progress)
        rows = [softmax_at(block.logits, self.trust.temperature) for block in blocks]
        return np.concatenate(rows) if rows else np.zeros((0, len(self.classes)), np.float32)

    def outputs(
        self, images: Images, batch_size: int | None = None, progress: Progress = silent, *, features: bool = False
    ) -> Iterator[Outputs]:
        """Yield what the model makes of images, block by block, in one pass: logits, and what it saw of them.

        Arguments:
            images, batch_size: as for `predict_proba`.
            features: whether what it saw is wanted, see `striate.classifier.outputs`.

        Raises:
            ArgumentError: the model has no classes.
            DecodingError: one of the images cannot be read; the message names it.
        """
        total, batch_size = len(images), batch_size or self.images_at_once()
        blocks = (self.block(images, start, min(start + batch_size, total)) for start in range(0, total, batch_size))
        for made in self.outputs_of(blocks, many=total > MANY_IMAGES, features=features):
            yield made
            progress("predicting", made.stop, total)

    def outputs_of(
        self, blocks: Iterable[np.ndarray], *, many: bool = True, features: bool = False
    ) -> Iterator[Outputs]:
        """Yield what the model makes of blocks of images as they come, however many there will be.

        Arguments:
            blocks: each uint8 (m, h, w, c) of the model's own size and channels, as `block` returns them.
            many: whether there are enough for it to pay to prepare the net for them.
            features: as for `outputs`.

        Raises:
            ArgumentError: the model has no classes.
        """
        import torch

        from striate.classifier.outputs import outputs_of, seeing
        from striate.data.tensors import to_batch
        from striate.nets.modules.packing import packed
        from striate.system.devices import fitting_threads, kept_memory

        if not self.classes:
            raise ArgumentError(
                f"{self.net} has weights without classes, so it cannot name what it sees; it makes features, to which "
                "striate train SOURCE --features fits a head"
            )
        device, start = self.device, 0
        self.module.eval()
        module, keeping = (packed(self.module), kept_memory()) if many else (self.module, nullcontext())
        see = seeing(module) if features else None
        with fitting_threads(), keeping:
            for pixels in blocks:
                with torch.inference_mode():
                    made = outputs_of(
                        module, see, to_batch(pixels, device), self.preprocessing, self.views, start, pixels
                    )
                start = made.stop
                yield made

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        import torch

        return next((value.device for value in self.module.state_dict().values()), torch.device("cpu"))

    def images_at_once(self) -> int:
        """Return how many images are best given to the net at once."""
        from striate.data.tensors import images_at_once

        return images_at_once(*self.preprocessing.size, self.device)

    def predict(
        self,
        images: OneImage | Images,
        *,
        sure: float | None = None,
        sets: float | None = None,
        progress: Progress = silent,
    ) -> Prediction | list[Prediction]:
        """Return what the classifier says: one `Prediction` for one image, a list for several.

        One image is a path, bytes, an open file, a PIL image, an array (h, w) or (h, w, 1, 3 or 4), or a tensor
        (c, h, w), uint8 or in 0…1; several are a list of them, or anything else that `predict_proba` takes.

        Arguments:
            sure: a wanted precision such as 0.99: each prediction says whether it is sure enough for that.
            sets: a wanted coverage such as 0.95: each gets a set of classes that holds the true one so often.

        Raises:
            ArgumentError: it is nothing of that, the message names the type; or the validation images can promise no
                such precision or coverage, the message says how many it needs.
        """
        given = as_inputs(images)
        alone = is_one_image(given)
        several = cast("Images", [given] if alone else given)
        asked = self.trust.asked(sure, sets, len(self.classes))
        if alone:
            names: Sequence[str] = [image_name(images)]
        else:
            names = several.names if isinstance(several, ImageSet | Catalog) else [image_name(one) for one in several]
        said: list[Prediction] = []
        for block in self.outputs(several, progress=progress, features=self.trust.novelty is not None):
            named = names[block.start : block.stop]
            rows = softmax_at(block.logits, self.trust.temperature)
            said += asked.say(named, self.classes, rows, block.pixels, block.features, block.alone)
        return said[0] if alone else said

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
        found = find_groups(images, data, groups, progress)
        images = grouped(images, found)
        told = (*data.notes, *judge_labels(data.class_counts()))
        return hold_out(images, self.trained_on, self.sketches, self.classes, told, found.by_looks)

    def judge(
        self,
        images: ImageSet,
        labels: np.ndarray,
        notes: Sequence[str] = (),
        progress: Progress = silent,
        near: np.ndarray | None = None,
        *,
        watch: Callable[[Outputs, np.ndarray, np.ndarray], None] | None = None,
        outputs: Sequence[Outputs] = (),
    ) -> Evaluation:
        """Return how the classifier does on all of these images, seen or not, with and without their other views.

        Arguments:
            labels: int64 (n,), indices into this model's classes.
            notes: for the reader of the figures.
            near: bool (n,), which images are near copies of training images; None where nobody looked.
            watch: is shown each block with its probabilities over the views and its labels, see `PromiseCheck`.
            outputs: what the model has made of these images before; none of them: it looks at them now.
        """
        parts = []
        for block in outputs or self.outputs(images, progress=progress, features=watch is not None):
            some = labels[block.start : block.stop]
            rows = [softmax_at(one, self.trust.temperature) for one in block.both]
            parts.append([Outcomes.of(one, some) for one in rows])
            if watch:
                watch(block, rows[0], some)
        both = [Outcomes.joined(column) for column in zip(*parts, strict=True)] or [Outcomes.joined([])]

        def figures(kept: np.ndarray) -> tuple[Evaluation, ...]:
            some, said = images.subset(kept), (one.subset(kept) for one in both)
            return tuple(evaluate_outcomes(one, self.classes, notes, some.groups, some.names) for one in said)

        averaged, *alone = figures(np.arange(len(labels)))
        if near is not None:
            without = figures(np.flatnonzero(~near))[0] if 0 < near.sum() < len(near) else None
            averaged = replace(averaged, near_copies=int(near.sum()), without=without, near=near)
        if not alone:
            return averaged
        from striate.classifier.views import view_count

        return replace(averaged, views=view_count(self.views), alone=alone[0])

    def save(self, path: str | Path) -> None:
        """Write the classifier to one `.striate` file, whole or not at all; see `striate.classifier.model_file`.

        Raises:
            StorageError: the disk is full or the folder cannot be written to; an older file at `path` is kept.
        """
        from striate.classifier.building import describe_parts
        from striate.classifier.model_file import write_model

        write_model(path, *describe_parts(vars(self)))

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
        from striate.classifier.building import rebuild_parts
        from striate.classifier.model_file import read_model

        description, tensors = read_model(path)
        try:
            return cls(**rebuild_parts(description, tensors, module))
        except MissingExtraError as error:
            raise MissingExtraError(f"{Path(path)}: {error}") from None
        except StriateError as error:
            raise ModelFileError(f"{Path(path)}: {error}") from None

    def to(self, device: torch.device | str) -> Classifier:
        """Move the weights to `device` and return the classifier."""
        self.module.to(device)
        return self

    def block(self, images: Images, start: int, stop: int) -> np.ndarray:
        """Return images start…stop as uint8 (m, h, w, c) of the model's own size, as its net is given them."""
        return pixel_block(self.preprocessing, images, start, stop)
