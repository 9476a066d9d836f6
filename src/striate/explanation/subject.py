"""One image before one model: its score for a class, and that of the image with parts of it hidden."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from striate.classifier.classifier import Classifier
from striate.classifier.views import logits_over_views
from striate.system.devices import fitting_threads

# So many images are put together at once: more would only fill memory.
_AT_ONCE = 64
# What is hidden is blurred by this share of the shorter side, or gets the mean colour, whichever hides more; where
# neither takes this much from the log-odds, its squares are shuffled, so many a side.
_BLUR_SHARE, _LEAST_TAKEN, _SQUARES = 1 / 3, 1.0, 16
# What is shared among pixels is smoothed by this share of the shorter side.
_SHARED_SMOOTH = 1 / 32


def log_odds(logits: np.ndarray, target: int) -> np.ndarray:
    """Return log(p / (1 − p)) of a class, float64 (n,), of logits (n, k); 0 where there is no other class.

    >>> log_odds(np.array([[0.0, 0.0], [1.0, 0.0]]), 0).tolist()
    [0.0, 1.0]
    """
    others = np.delete(logits, target, 1).astype(np.float64)
    if not others.shape[1]:
        return np.zeros(len(logits))
    most = others.max(1)
    return logits[:, target] - most - np.log(np.exp(others - most[:, None]).sum(1))


@dataclass(frozen=True, eq=False)
class Subject:
    """An image and the class that is asked about.

    Arguments:
        model: takes images as they are given to its net: no further cutting, no window.
        pixels: uint8 (h, w, c), the image as the net is given it.
        target: the class.
        hidden: uint8 (h, w, c), what stands where a part is hidden.
        whole, gone: the log-odds of the class for the image, and for the image hidden altogether.
        logits: float64 (k,), of the image, over the model's views and divided by its temperature.
    """

    model: Classifier
    pixels: np.ndarray
    target: int
    hidden: np.ndarray
    whole: float
    gone: float
    logits: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def answers(self, images: np.ndarray) -> np.ndarray:
        """Return the logits float64 (n, k) of uint8 (n, h, w, c), divided by the temperature."""
        return answers_of(self.model, images)

    def answers_without(self, hide: np.ndarray) -> np.ndarray:
        """Return the logits float64 (n, k) of the image where it is hidden at bool (n, h, w)."""
        return without(self.model, self.pixels, self.hidden, hide)

    def about(self, target: int, gone: np.ndarray | None = None) -> Subject:
        """Return the same image with another class asked about.

        Arguments:
            gone: float64 (k,), the logits of the image hidden altogether; None: they are computed.
        """
        without = self.answers(self.hidden[None])[0] if gone is None else gone
        scores = log_odds(np.stack([self.logits, without]), target)
        return replace(self, target=target, whole=float(scores[0]), gone=float(scores[1]))

    def on_pixels(self, values: np.ndarray) -> np.ndarray:
        """Return what places of an image say, (h, w), shared among the pixels in each, float32 (h, w).

        A pixel's share grows with how much hiding changes it, from half of what one gets that is changed as much as
        most. A place is larger than what it answers to; where hiding changes nothing, nothing was hidden. Integrated
        gradients have the same factor, (x − x′).
        """
        changed = np.abs(self.pixels.astype(np.float32) - self.hidden).mean(-1)
        share = 0.5 + 0.5 * changed / max(float(changed.mean()), 1e-9)
        return gaussian_filter(share * values, _SHARED_SMOOTH * min(self.size)).astype(np.float32)

    def shares(self, scores: np.ndarray) -> np.ndarray:
        """Return log-odds as shares of the evidence: 1 is the whole image, 0 is all of it hidden; cut to 0…1."""
        evidence = self.whole - self.gone
        return np.clip((scores - self.gone) / evidence, 0, 1) if evidence > 0 else np.zeros_like(scores)


def answers_of(model: Classifier, images: np.ndarray) -> np.ndarray:
    """Return a model's logits float64 (n, k) of uint8 (n, h, w, c), over its views, divided by its temperature."""
    rows = [block.logits.astype(np.float64) / model.trust.temperature for block in model.outputs(images)]
    rows = [np.nan_to_num(row, nan=0.0, posinf=1e30, neginf=-1e30) for row in rows]
    return np.concatenate(rows) if rows else np.zeros((0, len(model.classes)))


def without(model: Classifier, pixels: np.ndarray, hidden: np.ndarray, hide: np.ndarray) -> np.ndarray:
    """Return a model's logits float64 (n, k) of an image, `hidden` (h, w, c) in its place at bool (n, h, w)."""
    parts = []
    for start in range(0, len(hide), _AT_ONCE):
        some = hide[start : start + _AT_ONCE, ..., None]
        parts.append(answers_of(model, np.where(some, hidden, pixels)))
    return np.concatenate(parts) if parts else np.zeros((0, len(model.classes)))


def make_subject(model: Classifier, pixels: np.ndarray, target: int | None = None) -> Subject:
    """Return an image with the class that is asked about.

    Of two ways to hide a part of it, blurred and in the mean colour, the one that leaves less of the class is taken,
    and where a model knows the class by its mean colour, shuffled squares. All leave an image of one colour as it is.

    Arguments:
        pixels: uint8 (h, w, c), as the model's net is given it.
        target: the class; None for the model's answer.
    """
    plain = replace(model, preprocessing=replace(model.preprocessing, resize=None, window=None))
    ways = hidden_ways(pixels)
    logits = answers_of(plain, np.stack([pixels, *ways]))
    target = int(logits[0].argmax()) if target is None else target
    scores = log_odds(logits, target)
    if scores[0] - scores[1:].min() < _LEAST_TAKEN:
        ways.append(_squares_shuffled(pixels))
        scores = np.append(scores, log_odds(answers_of(plain, ways[-1][None]), target))
    way = int(scores[1:].argmin())
    return Subject(plain, pixels, target, ways[way], float(scores[0]), float(scores[1 + way]), logits[0])


def hidden_ways(pixels: np.ndarray) -> list[np.ndarray]:
    """Return an image, uint8 (h, w, c), with all of it hidden: blurred, and in its mean colour."""
    exact = pixels.astype(np.float32)
    sigma = _BLUR_SHARE * min(pixels.shape[:2])
    blurred = np.stack([gaussian_filter(exact[..., i], sigma) for i in range(pixels.shape[2])], -1)
    mean = np.broadcast_to(exact.mean((0, 1)), exact.shape)
    return [np.rint(one).clip(0, 255).astype(np.uint8) for one in (blurred, mean)]


def _squares_shuffled(pixels: np.ndarray) -> np.ndarray:
    """Return an image (h, w, c) whose small squares are shuffled, and the pixels that make no whole square."""
    (h, w), side = pixels.shape[:2], max(1, min(pixels.shape[:2]) // _SQUARES)
    rows, columns = h // side, w // side
    order = np.random.default_rng(0).permutation(rows * columns)
    down, right = (order // columns).reshape(rows, columns) * side, (order % columns).reshape(rows, columns) * side
    result, inner = pixels.copy(), np.arange(side)
    from_rows = (down[:, None, :, None] + inner[None, :, None, None]).repeat(side, 3)
    from_columns = (right[:, None, :, None] + inner[None, None, None, :]).repeat(side, 1)
    result[: rows * side, : columns * side] = pixels[from_rows, from_columns].reshape(
        rows * side, columns * side, pixels.shape[2]
    )
    return result


def class_contrast(subject: Subject, images: Tensor) -> Tensor:
    """Return how much the class's logit exceeds the mean of the others (n,), differentiable, over the model's views.

    Unlike log-odds it does not level off where the model is sure, and it is the same for logits and log-probabilities.

    Arguments:
        images: float (n, c, h, w), pixels 0…255.
    """
    model = subject.model
    logits, *_ = logits_over_views(model.module, images, model.preprocessing, model.views)
    logits = logits.double() / model.trust.temperature
    k = logits.shape[1]
    own = logits[:, subject.target]
    return own - (logits.sum(1) - own) / (k - 1) if k > 1 else own


@contextmanager
def differentiating(subject: Subject) -> Iterator[torch.device]:
    """Let gradients be computed in the block, of inputs alone; yields the device of the weights."""
    model = subject.model
    device = model.device
    model.module.eval()
    wanted = [one for one in model.module.parameters() if one.requires_grad]
    for one in wanted:
        one.requires_grad_(False)
    try:
        with fitting_threads(), torch.inference_mode(False), torch.enable_grad():
            yield device
    finally:
        for one in wanted:
            one.requires_grad_(True)


def as_batch(images: np.ndarray, device: torch.device) -> Tensor:
    """Return float32 (n, c, h, w), channels-last in memory, of (n, h, w, c)."""
    return torch.from_numpy(np.ascontiguousarray(images, np.float32)).to(device).permute(0, 3, 1, 2)
