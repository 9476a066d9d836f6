"""What the units of each layer do over many images: their spread, which are never awake, and what wakes them most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from striate.classifier.classifier import Classifier
from striate.explanation.look.places import LayerPlace, layers_of, output_shape_of, pixel_blocks, units_first
from striate.observer import Progress, silent
from striate.system.devices import fitting_threads, kept_memory

# Share of its range within which a tanh or sigmoid is at its end, where hardly any gradient passes.
NEAR_END = 0.01
ENDS: dict[type[nn.Module], tuple[float, float]] = {nn.Tanh: (-1.0, 1.0), nn.Sigmoid: (0.0, 1.0)}
# Below 0 these hand on nothing, or next to it: a unit that is never above it says nothing of any image.
ONE_SIDED = (nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU, nn.Hardswish, nn.Mish)
# Of these a unit that is never above 0 hands back no gradient either: it is dead.
NO_GRADIENT = (nn.ReLU, nn.ReLU6)
# So many images, or pixels, at once: what all layers make of them should stay near the processor.
_AT_ONCE, _AT_ONCE_PX = 64, 1 << 19


@dataclass(frozen=True, eq=False)
class LayerActivity:
    """What one layer did over n images.

    Arguments:
        path, layer: which one.
        shape: of its output for one image, units first.
        mean, std: of all its values.
        low, high: the least and the largest value.
        quantiles: of the units' largest values: 5 %, 50 % and 95 %.
        silent: int, the units that were never above 0 in any image; None where that says nothing.
        dead: whether a silent unit is dead: no gradient passes through it either.
        saturated: share of the values in the outer hundredth of a tanh's or sigmoid's range; None of other layers.
        constant: how many units had one value for all images and places.
        peaks: float32 (units,), the largest value of each unit over all images.
    """

    path: str
    layer: str
    shape: tuple[int, ...]
    mean: float
    std: float
    low: float
    high: float
    quantiles: tuple[float, float, float]
    silent: tuple[int, ...] | None
    dead: bool
    saturated: float | None
    constant: int
    peaks: Tensor

    @property
    def units(self) -> int:
        """How many units it has: channels of maps, or values."""
        return self.shape[0]

    @property
    def silent_share(self) -> float | None:
        """The share of the units that were never above 0, in [0, 1]."""
        return None if self.silent is None else len(self.silent) / self.units

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "path": self.path, "layer": self.layer, "shape": list(self.shape), "units": self.units, "mean": self.mean,
            "std": self.std, "low": self.low, "high": self.high, "never_above_0": self.silent_share,
            "never_above_0_units": None if self.silent is None else list(self.silent),
            "dead": self.silent_share if self.dead else None, "saturated": self.saturated,
            "constant_units": self.constant,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Peaks:
    """The images that the units of a layer answer to most.

    Arguments:
        layer: which one.
        shape: of its output for one image, units first.
        values: float32 (k, units), the largest value at any place, the largest image first.
        images: int64 (k, units), which images those are.
        places: int64 (k, units), where in the map, row by row.
    """

    layer: LayerPlace
    shape: tuple[int, ...]
    values: Tensor
    images: Tensor
    places: Tensor


@dataclass(frozen=True, eq=False)
class Activity:
    """What a model's layers did over images: each layer's figures, and the peaks of the layers that were asked for.

    Arguments:
        layers: in their order; a module that is used several times has one for each use.
        peaks: by path.
        logits: float32 (n, k), of the images alone.
        not_finite: the paths of layers that had values that are not finite.
    """

    layers: tuple[LayerActivity, ...]
    peaks: dict[str, Peaks]
    logits: Tensor
    not_finite: tuple[str, ...]


def measure_activity(
    model: Classifier, images: Any, wanted: Sequence[LayerPlace] = (), most: int = 8, progress: Progress = silent
) -> Activity:
    """Return what the layers of a model do over images, in one pass.

    Arguments:
        images: as `Classifier.predict_proba` takes them.
        wanted: the layers of which the peaks are wanted.
        most: how many images a unit.
    """
    own = layers_of(model)
    layers = {one.path: one for one in (*wanted, *own)}
    gathered: dict[str, _Gathering] = {}
    asked, logits = {one.path for one in wanted}, []
    counts: dict[str, int] = {}
    start = 0

    def reader(place: LayerPlace):
        def read(module: nn.Module, inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or output.ndim < 2 or not output.is_floating_point():
                return
            counts[place.path] = use = counts.get(place.path, 0) + 1
            path = place.path if use == 1 else f"{place.path} (use {use})"
            if path not in gathered:
                gathered[path] = _Gathering(place, most if path in asked else 0)
            gathered[path].add(output.float(), start)

        return read

    handles = [one.module.register_forward_hook(reader(one)) for one in layers.values()]
    model.module.eval()
    h, w = model.preprocessing.size
    at_once = max(1, min(_AT_ONCE, _AT_ONCE_PX // (h * w)))
    try:
        with fitting_threads(), kept_memory(), torch.inference_mode():
            for start, _, batch in pixel_blocks(model, images, at_once):
                counts.clear()
                logits.append(model.module(model.preprocessing.normalise(batch)).float().cpu())
                progress("looking at images", start + len(batch), len(images))
    finally:
        for handle in handles:
            handle.remove()
    known = {one.path for one in own}
    told = {path: one for path, one in gathered.items() if path.split(" (use")[0] in known}
    return Activity(
        tuple(one.told(path) for path, one in told.items()),
        {path: one.peaks() for path, one in gathered.items() if path in asked},
        torch.cat(logits) if logits else torch.zeros(0, len(model.classes)),
        tuple(path for path, one in told.items() if not one.finite),
    )  # fmt: skip


class _Gathering:
    """Running figures of one layer."""

    def __init__(self, place: LayerPlace, most: int):
        self.place, self.most, self.count, self.finite = place, most, 0, True
        self.total = self.squares = 0.0
        self.pivot: float | None = None
        self.shape: tuple[int, ...] = ()
        self.near_end = 0.0
        self.top = self.least = torch.zeros(0)
        self.values, self.images, self.places = (torch.zeros(0) for _ in range(3))

    def add(self, output: Tensor, start: int) -> None:
        """Take in what the layer made of a block of images."""
        units, self.shape = units_first(self.place, output), output_shape_of(self.place, output)
        top, least = units.amax((0, 2)), units.amin((0, 2))
        self.finite = self.finite and bool((top.isfinite() & least.isfinite()).all())
        self.top = torch.maximum(self.top, top) if self.count else top
        self.least = torch.minimum(self.least, least) if self.count else least
        self.count += units.numel()
        flat = (output.movedim(1, -1) if output.ndim == 4 and not output.is_contiguous() else output).reshape(-1)
        # Counted from near the mean, as squares of large numbers eat the spread; a fifth of var_mean's time.
        self.pivot = self.pivot if self.pivot is not None else float(flat.mean().nan_to_num())
        apart = flat - self.pivot
        self.total += float(apart.sum())
        self.squares += float(torch.dot(apart, apart))
        if ends := ENDS.get(type(self.place.module)):
            margin = NEAR_END * (ends[1] - ends[0])
            self.near_end += float(((units < ends[0] + margin) | (units > ends[1] - margin)).sum())
        if self.most:
            high, where = units.max(2)
            self._rank(high, where, torch.arange(start, start + len(high), device=high.device))

    def _rank(self, high: Tensor, where: Tensor, rows: Tensor) -> None:
        rows = rows[:, None].expand_as(high)
        if len(self.values):
            high, where, rows = (
                torch.cat(pair)
                for pair in ((self.values, high), (self.places, where), (self.images, rows))
            )  # fmt: skip
        order = high.nan_to_num(-torch.inf).sort(dim=0, descending=True, stable=True).indices[: self.most]
        self.values, self.places, self.images = (one.gather(0, order) for one in (high, where, rows))

    def told(self, path: str) -> LayerActivity:
        """Return the figures."""
        module, mean = self.place.module, self.total / self.count
        deviation, mean = max(0.0, self.squares / self.count - mean * mean) ** 0.5, mean + (self.pivot or 0.0)
        silent = (self.top <= 0).nonzero().flatten().tolist() if isinstance(module, ONE_SIDED) else None
        low, middle, high = (
            torch.quantile(self.top.cpu().nan_to_num(), torch.tensor([0.05, 0.5, 0.95])).tolist()
            if len(self.top) <= 1 << 20 else (float(self.top.min()),) * 3
        )  # fmt: skip
        return LayerActivity(
            path, self.place.layer, self.shape, mean, deviation,
            float(self.least.min()), float(self.top.max()), (low, middle, high),
            None if silent is None else tuple(silent), isinstance(module, NO_GRADIENT),
            self.near_end / self.count if type(module) in ENDS else None, int((self.top == self.least).sum()),
            self.top.cpu(),
        )  # fmt: skip

    def peaks(self) -> Peaks:
        """Return the images that each unit answers to most."""
        return Peaks(self.place, self.shape, *(one.cpu() for one in (self.values, self.images, self.places)))
