"""The last step of a run before its model is judged: what its validation images say of how far to trust it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import FittedModule
from striate.classifier.novelty.appearance import appearance
from striate.classifier.novelty.fitting import Looked, fit_novelty
from striate.classifier.novelty.strange import strange_images
from striate.classifier.outputs import Outputs
from striate.classifier.trust import Trust, ValidationScores
from striate.classifier.views import view_count
from striate.data.imageset import ImageSet
from striate.metrics.calibration import Temperature, fit_temperature, softmax_at
from striate.observer import Observer

# At most so many validation images are looked at, so many training images, so many of each kind of pictures of nothing.
MOST_VALID, MOST_TRAIN, MOST_STRANGE = 16_384, 2000, 60
# With large nets they are fewer: so many multiply-adds for each part, but never less than so many images.
VALID_WORK, TRAIN_WORK, STRANGE_WORK = 3e11, 2.5e10, 2.5e9
LEAST_VALID, LEAST_TRAIN, LEAST_STRANGE = 500, 200, 10
# A model keeps at most so many training images; these if it has to look at them for that alone.
MOST_KEPT, KEPT_WORK, LEAST_KEPT = 400, 1e10, 60
# So many probabilities are held at once, some 80 MB.
MOST_NUMBERS = 20_000_000
# What a net that is not known layer by layer may take a pixel.
MULTIPLY_ADDS_A_PIXEL = 1e5
KINDS_OF_STRANGE = 8
# What it takes to see how an image size; to choose among the scores.
LOOK_MS, CHOOSING_S = 0.08, 0.2
# For each validation image and each class or training image that it is compared with.
NUMBER_S = 7e-8


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What calibrating a model came to.

    Arguments:
        model: the model with its `trust`.
        told: what was found, as plain values.
        outputs: what the model made of all validation images; none where not all of them were looked at.
        taught: the training images that were looked at; None where there was nothing to calibrate by.
        seen: by name, float32 (n, d), what the model itself saw of these; nothing where another one looked at them.
    """

    model: Classifier
    told: Mapping[str, Any]
    outputs: Sequence[Outputs] = ()
    taught: ImageSet | None = None
    seen: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class CalibrationSize:
    """How many images are looked at to calibrate a model, and `kept` to keep some with it.

    It depends on the model and the data, not on the clock.
    """

    valid: int
    train: int
    strange: int
    kept: int
    classes: int
    views: int = 1

    @property
    def total(self) -> int:
        """How many images go through the model, once each."""
        return self.valid + self.train + KINDS_OF_STRANGE * self.strange

    def seconds(self, image_ms: float) -> float:
        """Return about how long that takes where the model takes so many milliseconds an image, over its views.

        Validation images are looked at in all of these, the others in one.
        """
        view_ms = image_ms / self.views + LOOK_MS
        keeping = self.kept * view_ms / 1000
        looking = (self.valid * (image_ms + LOOK_MS) + (self.total - self.valid) * view_ms) / 1000
        choosing = CHOOSING_S + NUMBER_S * self.valid * (self.classes + self.train)
        return keeping + (looking + choosing if self.valid else 0.0)


def calibration_size(model: Classifier, train: int, valid: int) -> CalibrationSize:
    """Return how many of so many training and validation images are looked at to calibrate a model."""
    work = max(1.0, _multiply_adds(model))

    def within(budget: float, least: int, most: int) -> int:
        return int(min(most, max(least, budget / work)))

    few = max(20, MOST_NUMBERS // max(1, len(model.classes)))
    return CalibrationSize(
        min(valid, few, within(VALID_WORK / view_count(model.views), LEAST_VALID, MOST_VALID)),
        min(train, within(TRAIN_WORK, LEAST_TRAIN, MOST_TRAIN)),
        min(valid, few, within(STRANGE_WORK, LEAST_STRANGE, MOST_STRANGE)),
        min(train, within(KEPT_WORK, LEAST_KEPT, MOST_KEPT)),
        len(model.classes),
        view_count(model.views),
    )


def calibrate(
    model: Classifier, train: ImageSet, valid: ImageSet, observer: Observer, before: Classifier | None = None
) -> Calibrated:
    """Return the model with its `trust`, what was found, and what it made of all validation images.

    Arguments:
        train: what it was trained on.
        valid: what it was not trained on, perhaps chosen by.
        before: the same kind of model, fitted without the validation images, where the model itself has learned them:
            what these promise is measured with it, and only what does not depend on learned features is kept.
    """
    start, witness = time.perf_counter(), before or model
    size = calibration_size(witness, len(train), len(valid))
    if not size.valid:
        told = {"temperature": Temperature().to_json(), "known": {"score": None, "why": "no validation images"}}
        return Calibrated(model, told)
    observer.prepare("calibrating", 0, size.total)
    some, taught, deep = _spread(valid, size.valid), _spread(train, size.train), before is None
    looked, outputs = _look(witness, some, deep)
    logits = np.concatenate([one.logits for one in outputs])
    temperature = fit_temperature(logits, some.labels, some.groups)
    few, alone = _spread(some, size.strange), replace(witness, views="none")
    odd = strange_images(witness.block(few, 0, len(few)))
    # These are made of what the model looks at, which its window has brought to 8 bits already.
    unscaled = replace(alone, preprocessing=replace(alone.preprocessing, window=None))
    strange = {kind: _look(unscaled, pixels, deep)[0] for kind, pixels in odd.items()}
    learned = _look(alone, taught, deep)[0]
    # Threads of such small products wait for each other longer than they work, and the last bits depend on how many.
    with threadpool_limits(1, "blas"):
        novelty, found = fit_novelty(learned, looked, strange)
        known = np.ones(len(some), bool)
        if novelty is not None:
            known = novelty.scores(looked.seen, looked.logits) <= novelty.limit
    observer.prepare("calibrating", size.total, size.total)
    scores = ValidationScores.of(softmax_at(logits, temperature.value), some.labels, known, some.groups)
    told = {"temperature": temperature.to_json(), "known": found, "seconds": round(time.perf_counter() - start, 2)}
    whole = before is None and len(some) == len(valid)
    trusted = replace(model, trust=Trust(temperature.value, scores, novelty))
    return Calibrated(trusted, told, outputs if whole else [], taught, learned.seen if deep else {})


def _look(model: Classifier, images: ImageSet | np.ndarray, deep: bool) -> tuple[Looked, list[Outputs]]:
    """Return what is seen of images, and what the model made of them, without their pixels.

    Arguments:
        deep: whether the model's own features are wanted, beside how the images look.
    """
    parts: list[dict[str, np.ndarray]] = []
    outputs: list[Outputs] = []
    for one in model.outputs(images, features=deep):
        parts.append({**one.features, "appearance": appearance(one.pixels)})
        outputs.append(one.lean())
    seen = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    logits = np.concatenate([one.alone for one in outputs])
    if isinstance(images, ImageSet):
        return Looked(seen, logits, images.labels, images.groups), outputs
    return Looked(seen, logits, np.full(len(logits), -1)), outputs


def _spread(images: ImageSet, most: int) -> ImageSet:
    """Return at most so many of the images, evenly over all."""
    if len(images) <= most:
        return images
    return images.subset(np.linspace(0, len(images) - 1, most).round().astype(int))


def _multiply_adds(model: Classifier) -> float:
    """Return about how many multiply-adds the model takes an image."""
    module, shape = model.module, model.preprocessing.input_shape
    net = module.body.net if isinstance(module, FittedModule) and module.body is not None else model.net
    if isinstance(module, FittedModule) and module.body is None:
        return float(np.prod(shape))
    table = getattr(net, "table", None)
    if table is None:
        return MULTIPLY_ADDS_A_PIXEL * shape[1] * shape[2]
    return float(table(shape).multiply_adds)
