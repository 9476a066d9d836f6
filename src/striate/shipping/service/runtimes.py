"""What computes a model's answers: torch, which is always right, or what was measured to be faster and as right."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from striate.classifier.classifier import Classifier

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


def best_batch(model: Classifier) -> int:
    """Return how many images a model is best given at once."""
    from striate.data.tensors import images_at_once

    return min(_MOST_AT_ONCE, images_at_once(*model.preprocessing.size, model.device))


class TorchRuntime:
    """The classifier itself, its norms folded into the filters once."""

    name = "torch"

    def __init__(self, model: Classifier):
        from striate.classifier.outputs import seeing
        from striate.nets.modules.packing import packed

        self._model = model
        self._device = model.device
        model.module.eval()
        self._module = packed(model.module)
        self._see = seeing(self._module) if model.trust.novelty else None
        self.batch = best_batch(model)

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
    """Return the fastest runtime that answers as torch does, measured here and now.

    Arguments:
        others: make what may be faster; one that cannot carry the model raises.
        note: is told what was measured.
    """
    best: Runtime = TorchRuntime(model)
    pixels = sample_of(model, best.batch)
    right = best.judge(pixels)
    made: list[tuple[Runtime, float]] = []
    for make in others:
        try:
            other = make(model)
            difference = _difference(other.judge(pixels), right)
            if not difference <= TOLERANCE:  # NaN too
                how = (
                    "calls other images none of these" if difference == 1 else f"differs from torch by {difference:.2g}"
                )
                note(f"{other.name} {how}, and is not used")
                continue
            made.append((other, fit_batch(other, pixels)))
        except Exception as error:  # ONNX Runtime's own errors have no base but this
            note(f"torch answers: {str(error) or type(error).__name__}")
    best_rate = fit_batch(best, pixels)
    for other, rate in made:
        note(f"{other.name}: {rate:,.0f} images/s; {best.name}: {best_rate:,.0f}")
        if rate > _WORTH * best_rate:
            best, best_rate = other, rate
    return best


def fit_batch(runtime: Runtime, pixels: np.ndarray) -> float:
    """Let a runtime be given as many images at once as it is fastest with here and now; return its images/s.

    Larger batches leave the processor's caches, smaller ones pay for each call: which weighs more is measured.
    """
    rates: dict[int, float] = {}
    count = len(pixels)
    while count:
        rates[count] = count / seconds_of(runtime, pixels[:count])
        count //= 4
    runtime.batch = max(rates, key=lambda count: rates[count] * (1 if count == len(pixels) else 1 / _WORTH))
    return rates[runtime.batch]


def _difference(one: Judged, other: Judged) -> float:
    """Return by how much answers differ: probabilities, or 1 where they are not of the same images at all."""
    if one.probabilities.shape != other.probabilities.shape or (one.known is None) != (other.known is None):
        return 1.0
    if one.known is not None and other.known is not None and (one.known != other.known).any():
        return 1.0
    return float(np.abs(one.probabilities - other.probabilities).max(initial=0.0))
