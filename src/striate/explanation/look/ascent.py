"""Images made to raise a unit or a class: gradient ascent on the pixels, kept smooth by jitter and blur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from striate.classifier.classifier import Classifier
from striate.explanation.look.places import LayerPlace, output_of, units_first
from striate.observer import Progress, silent

STEPS = 160
# A step is so many pixel values long for the mean pixel, at first and at last.
_FIRST_STEP, _LAST_STEP = 6.0, 1.0
_NOISE = 12.0
_LAST_PART = 0.2
_AT_ONCE_PX = 1 << 19
_CAVEAT = "It shows what raises it most from this start, not what it means"


@dataclass(frozen=True, eq=False)
class RaiseTarget:
    """What is to be raised: a unit of a layer, or the score of a class before the softmax.

    Arguments:
        name: for people and programs, as conv2:5 or a class.
        layer: None for a class.
        number: of the unit or the class.
        peak: the most that any real image gives it; None where none were looked at.
        images: how many real images were looked at.
    """

    name: str
    layer: LayerPlace | None
    number: int
    peak: float | None = None
    images: int = 0


@dataclass(frozen=True, eq=False)
class Ascent:
    """An image made to raise a unit or a class.

    Arguments:
        target: what it raises.
        pixels: uint8 (h, w, c), as it was measured.
        start: what the target answered to the noise that it began from.
        value: what it answers to the image.
        probability: of the class, calibrated; None of a unit.
    """

    target: RaiseTarget
    pixels: np.ndarray
    start: float
    value: float
    probability: float | None = None

    @property
    def raised(self) -> bool | None:
        """Whether it raises the target above every real image; None where none were looked at."""
        return None if self.target.peak is None else self.value > self.target.peak

    @property
    def verdict(self) -> str:
        """What may be said of it."""
        told = f"from {self.start:.3g} to {self.value:.3g}"
        if not self.value > self.start + 1e-6 * max(1.0, abs(self.start)):
            return "Nothing was found that raises it: no gradient came back to the pixels. The picture tells nothing."
        if self.raised is None:
            return f"Raised {told}; with no real images to compare, how much that is stays open. {_CAVEAT}."
        real = f"the most of {self.target.images:,} real images is {self.target.peak:.3g}"
        if self.raised:
            return f"Raised {told}; {real}. {_CAVEAT}."
        return f"Raised {told} only, where {real}: it is no better than they are, look at those instead."

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "target": self.target.name, "start": self.start, "value": self.value, "real_maximum": self.target.peak,
            "real_images": self.target.images, "raised": self.raised, "probability": self.probability,
            "verdict": self.verdict,
        }  # fmt: skip


def raise_targets(
    model: Classifier, targets: Sequence[RaiseTarget], steps: int = STEPS, seed: int = 0, progress: Progress = silent
) -> list[Ascent]:
    """Return for each target an image that raises it, measured as it is shown: rounded to whole pixel values.

    Each begins as smooth noise around the preprocessing's mean. In each step the images are shifted by a few pixels, so
    that no pixel matters by itself, and follow the gradient, blurred, the less the later; pixels stay in 0…255. The
    last fifth of the steps raises the best place alone, without shift and blur.

    Source: Erhan and others 2009, "Visualizing higher-layer features of a deep network"; jitter and blur as in
    Olah and others 2017, "Feature Visualization".
    """
    made: list[Ascent] = []
    h, w = model.preprocessing.size
    at_once = max(1, _AT_ONCE_PX // (h * w))
    groups: dict[str | None, list[RaiseTarget]] = {}
    for one in targets:
        groups.setdefault(one.layer and one.layer.path, []).append(one)
    done, total = 0, steps * sum(-(-len(own) // at_once) for own in groups.values())
    for own in groups.values():
        for start in range(0, len(own), at_once):
            some = own[start : start + at_once]

            def tell(step: int, before: int = done) -> None:
                progress("raising units", before + step, total)

            made += _ascend(model, some, steps, seed, tell)
            done += steps
    order = {id(one): i for i, one in enumerate(targets)}
    return sorted(made, key=lambda one: order[id(one.target)])


def _ascend(model: Classifier, targets: Sequence[RaiseTarget], steps: int, seed: int, tell: Any) -> list[Ascent]:
    device = next(model.module.parameters(), next(iter(model.module.buffers()), torch.zeros(0))).device
    generator = torch.Generator().manual_seed(seed)
    model.module.eval()
    pixels = _first_pixels(model, generator).to(device).repeat(len(targets), 1, 1, 1)
    with torch.inference_mode():
        start, _ = _answers(model, targets, pixels.round())
    h, w = model.preprocessing.size
    reach = max(1, min(h, w) // 16)
    for step in range(steps):
        part = step / steps
        last = part >= 1 - _LAST_PART
        shift = [0, 0] if last else torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
        moved = pixels.roll(shift, (2, 3)).requires_grad_()
        best, wanted = _answers(model, targets, moved)
        # At last what is measured is what is raised: the best place alone, where it is.
        wanted = best if last else wanted
        (slope,) = torch.autograd.grad(wanted.sum(), moved, allow_unused=True)
        if slope is None:
            break
        slope = _blurred(slope.roll([-one for one in shift], (2, 3)), 0.0 if last else (1 - part) * min(h, w) / 24)
        size = slope.square().mean((1, 2, 3), keepdim=True).sqrt()
        length = _FIRST_STEP + (_LAST_STEP - _FIRST_STEP) * part
        pixels = (pixels + length * slope / size.clamp_min(1e-20)).clamp(0, 255).detach()
        tell(step + 1)
    pixels = pixels.round()
    with torch.inference_mode():
        value, _ = _answers(model, targets, pixels)
    shown = pixels.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
    probabilities = model.predict_proba(shown) if model.classes else None
    return [
        Ascent(
            one, shown[i], float(start[i]), float(value[i]),
            float(probabilities[i, one.number]) if one.layer is None and probabilities is not None else None,
        )
        for i, one in enumerate(targets)
    ]  # fmt: skip


def _first_pixels(model: Classifier, generator: torch.Generator) -> Tensor:
    """Return float (1, c, h, w): smooth noise around the mean of the preprocessing."""
    shape = model.preprocessing.input_shape
    mean = torch.as_tensor(model.preprocessing.mean).reshape(shape[0], -1).mean(1)
    # Where nothing is subtracted the mean is 0, and images begin in the middle.
    mean = torch.where(mean > 0, mean, torch.full_like(mean, 127.5))
    noise = _blurred(torch.randn(1, *shape, generator=generator), 1.0)
    return (mean[None, :, None, None] + _NOISE * noise / noise.std().clamp_min(1e-6)).clamp(0, 255)


def _answers(model: Classifier, targets: Sequence[RaiseTarget], pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each target says of its image, at its best place (n,), and what is to be raised (n,)."""
    batch = model.preprocessing.normalise(pixels).contiguous(memory_format=torch.channels_last)
    layer, rows = targets[0].layer, torch.arange(len(targets))
    if layer is None:
        logits = model.module(batch).float()[rows, [one.number for one in targets]]
        return logits, logits
    output = output_of(model.module, layer.module, batch).float()
    maps = units_first(layer, output)[rows, [one.number for one in targets]]
    best = maps.amax(1)
    # The mean over places draws a whole picture; the best place is what is measured.
    return best, best + maps.mean(1)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    """Return images (n, c, h, w) blurred by a Gaussian of `sigma` pixels; as they are below a quarter of one."""
    if sigma < 0.25:
        return images
    radius = min(int(2 * sigma + 0.5) or 1, min(images.shape[2:]) - 1)
    if radius < 1:
        return images
    bell = torch.exp(-torch.arange(-radius, radius + 1, device=images.device).float().square() / (2 * sigma * sigma))
    bell = (bell / bell.sum()).expand(images.shape[1], 1, -1)
    padded = functional.pad(images, (radius,) * 4, mode="reflect")
    across = functional.conv2d(padded, bell[:, :, None], groups=images.shape[1])
    return functional.conv2d(across, bell[..., None], groups=images.shape[1])
