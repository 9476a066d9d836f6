"""What computes a model's answers: torch, which is always right, or what was measured to be faster and as right."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from striate.classifier.classifier import Classifier
from striate.errors import StriateError

# More at once make nothing faster, but a request that waits behind them slower.
_MOST_AT_ONCE = 64
# Another runtime's probabilities may differ from torch's by so much.
TOLERANCE = 1e-3
# What is not faster by so much is not worth another runtime.
_WORTH = 1.1
_TRIES = 5


@dataclass(frozen=True, eq=False)
class Judged:
    """What a model says of images: `probabilities` float32 (n, k), calibrated; `known` bool (n,), None: cannot tell."""

    probabilities: np.ndarray
    known: np.ndarray | None


class Runtime(Protocol):
    """What computes answers; `name` says with what, `batch` how many images are best given at once."""

    name: str
    batch: int

    def judge(self, pixels: np.ndarray) -> Judged:
        """Return what the model says of uint8 (n, h, w, c) of its own size."""
        ...


class TorchRuntime:
    """The classifier itself, its norms folded into the filters once."""

    name = "torch"

    def __init__(self, model: Classifier):
        import torch

        from striate.classifier.outputs import logits_alone, seeing
        from striate.data.tensors import images_at_once
        from striate.nets.modules.folding import folded

        self._model = model
        self._device = next((value.device for value in model.module.state_dict().values()), torch.device("cpu"))
        model.module.eval()
        self._module = folded(model.module)
        self._see = seeing(self._module) if model.trust.novelty else logits_alone(self._module)
        self.batch = min(_MOST_AT_ONCE, images_at_once(*model.preprocessing.size, self._device))

    def judge(self, pixels: np.ndarray) -> Judged:
        """Return what the model says of uint8 (n, h, w, c) of its own size."""
        import torch

        from striate.classifier.outputs import outputs_of
        from striate.data.tensors import to_batch
        from striate.metrics.calibration import softmax_at

        model, novelty = self._model, self._model.trust.novelty
        with torch.inference_mode():
            seen = outputs_of(
                self._module, self._see, to_batch(pixels, self._device), model.preprocessing, model.views, 0, pixels
            )
        known = novelty.known(pixels, seen.features, seen.alone) if novelty else None
        return Judged(softmax_at(seen.logits, model.trust.temperature), known)


def sample_of(model: Classifier, count: int) -> np.ndarray:
    """Return uint8 (count, h, w, c) to measure by: the model's golden images, where it keeps some, else noise."""
    (h, w), c = model.preprocessing.size, model.preprocessing.channels
    golden = getattr(getattr(model, "samples", None), "golden", None)
    images = getattr(golden, "images", np.zeros((0, h, w, c), np.uint8))
    if not len(images):
        images = np.random.default_rng(0).integers(0, 256, (count, h, w, c), np.uint8)
    return images[np.arange(count) % len(images)]


def seconds_of(runtime: Runtime, pixels: np.ndarray, tries: int = _TRIES) -> float:
    """Return the median seconds that a runtime takes for some images, once it is warm."""
    runtime.judge(pixels)
    taken = []
    for _ in range(tries):
        start = time.perf_counter()
        runtime.judge(pixels)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def choose_runtime(
    model: Classifier, others: Sequence[Callable[[Classifier], Runtime]], note: Callable[[str], object]
) -> Runtime:
    """Return the fastest runtime that answers as torch does, measured on full batches here and now.

    Arguments:
        others: make what may be faster; one that cannot carry the model raises a StriateError.
        note: is told what was measured.
    """
    best: Runtime = TorchRuntime(model)
    pixels = sample_of(model, best.batch)
    right = best.judge(pixels)
    made: list[Runtime] = []
    for make in others:
        try:
            other = make(model)
            found = other.judge(pixels)
        except (StriateError, ImportError, RuntimeError, ValueError) as error:
            note(f"torch answers: {str(error) or type(error).__name__}")
            continue
        difference = _difference(found, right)
        if difference > TOLERANCE:
            note(f"{other.name} differs from torch by {difference:.2g}, and is not used")
            continue
        made.append(other)
    if not made:
        return best
    best_s = seconds_of(best, pixels)
    for other in made:
        other_s = seconds_of(other, pixels)
        note(f"{other.name}: {len(pixels) / other_s:,.0f} images/s; {best.name}: {len(pixels) / best_s:,.0f}")
        if other_s * _WORTH < best_s:
            best, best_s = other, other_s
    return best


def _difference(one: Judged, other: Judged) -> float:
    """Return by how much answers differ: probabilities, or 1 where they are not of the same images at all."""
    if one.probabilities.shape != other.probabilities.shape or (one.known is None) != (other.known is None):
        return 1.0
    if one.known is not None and other.known is not None and (one.known != other.known).any():
        return 1.0
    return float(np.abs(one.probabilities - other.probabilities).max(initial=0.0))
