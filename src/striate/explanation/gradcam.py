"""Grad-CAM at several layers of any module: which places of a layer's maps speak for the class.

Which layers there are is found by running the image: every part whose output is a map, channels first or last, or
tokens that lie on a grid. Of each size the last one is taken that has a gradient.

Source: Selvaraju et al. 2017, "Grad-CAM"; for layers before the last, each place with its own gradient: Jiang et al.
2021, "LayerCAM".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional

from striate.classifier.views import Views, turned_back
from striate.explanation.subject import Subject, as_batch, class_contrast, differentiating

# Of each size so many last parts are remembered: the very last may have no gradient, and a transformer's last block has
# none at all of its parts.
_REMEMBERED, _REMEMBERED_TOKENS = 4, 24
# Smaller maps have no places to speak of; the map of all is made of layers with so many places a side, where there are
# such, and of those that count for so much in it.
_LEAST_SIDE, LEAST_JOINED, _LEAST_WEIGHT = 2, 5, 0.02
_AGREEMENT = 4
# Layers are of different sizes if one has so many times the places of the other, a side; so many are shown.
_FINER, MOST_LAYERS = 1.5, 4
# The image is shown shifted by these shares of its shorter side, in both directions: a maximum, or a stride, lets one
# place of many speak for all, and which one changes with a shift. The maps are shifted back and averaged.
_SHIFTS = {True: (-1 / 8, -1 / 16, 0, 1 / 16, 1 / 8), False: (-1 / 16, 0, 1 / 16)}
_SMALL_PX = 64
_AT_ONCE_PIXELS = 400_000
# Each layer's map is smoothed by this share of the shorter side.
_SMOOTH_SHARE = 0.08


@dataclass(frozen=True, eq=False)
class LayerMap:
    """What one layer's places say for the class.

    Arguments:
        layer: its path in the module.
        places: (h, w) of its maps.
        values: float32, the image's (h, w), 0 and above, enlarged from the layer's places.
    """

    layer: str
    places: tuple[int, int]
    values: np.ndarray

    @property
    def name(self) -> str:
        """What people call it: the end of its path, and its places."""
        return f"{'.'.join(self.layer.split('.')[-2:])} ({self.places[0]}×{self.places[1]} places)"


def layer_maps(subject: Subject, *, shifted: bool = True) -> list[LayerMap]:
    """Return the map of each size of layer, the deepest first; none where there is no gradient or no map at all.

    Over several views of the image each view's map is turned back and they are averaged.

    Arguments:
        shifted: whether to average over shifted copies of the image; without is quicker, and worse.
    """
    shifts = _shifts(subject.size) if shifted else [(0, 0)]
    most = max(1, _AT_ONCE_PIXELS // subject.pixels[..., 0].size)
    found: dict[tuple[int, int], list[tuple[str, np.ndarray]]] = {}
    for start in range(0, len(shifts), most):
        some = shifts[start : start + most]
        parts = _watched(subject, _shifted(subject.pixels, some))
        if start and parts.keys() != found.keys():  # a size had no gradient in one batch and has in another
            found = {size: found[size] for size in found if size in parts}
        for size, (path, maps) in parts.items():
            if not start or size in found:
                found.setdefault(size, []).append((path, maps))
    made = []
    for size, batches in found.items():
        maps = torch.from_numpy(np.concatenate([maps for _, maps in batches]))[:, None]
        large = functional.interpolate(maps, subject.size, mode="bilinear", align_corners=False)[:, 0].numpy()
        values = gaussian_filter(_shifted_back(large, shifts), _SMOOTH_SHARE * min(subject.size))
        made.append(LayerMap(batches[0][0], size, np.nan_to_num(values, posinf=0.0).astype(np.float32)))
    return made


def layer_weights(maps: list[LayerMap], hiding: np.ndarray) -> dict[str, float]:
    """Return what each layer counts in the map of all, by its path; the weights sum to 1.

    Layers of too few places count nothing where there are finer ones. The others count by how well their map agrees
    with what hiding does: the fourth power of the correlation.

    Arguments:
        hiding: float (h, w), the map of occlusion.
    """
    alive = [one for one in maps if one.values.max() > 0]
    fine = [one for one in alive if min(one.places) >= LEAST_JOINED] or alive[-1:]
    agreeing = [max(_correlation(one.values, hiding), 0.0) ** _AGREEMENT for one in fine]
    if not sum(agreeing) > 0:  # nothing to go by: the deepest alone
        return {one.layer: 1.0 for one in fine[:1]}
    found = {one.layer: weight / sum(agreeing) for one, weight in zip(fine, agreeing, strict=True)}
    return {layer: weight for layer, weight in found.items() if weight >= _LEAST_WEIGHT}


def joined_map(maps: list[LayerMap], weights: dict[str, float], size: tuple[int, int]) -> np.ndarray:
    """Return the weighted sum of layers' maps, each brought to a maximum of 1, float32 (h, w); 0 of none."""
    total = np.zeros(size, np.float32)
    for one in maps:
        if one.layer in weights and one.values.max() > 0:
            total += np.float32(weights[one.layer]) * one.values / one.values.max()
    return total


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    x, y = (one.ravel().astype(np.float64) - one.mean(dtype=np.float64) for one in (a, b))
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0


def _shifts(size: tuple[int, int]) -> list[tuple[int, int]]:
    side = min(size)
    steps = sorted({round(share * side) for share in _SHIFTS[max(size) <= _SMALL_PX]})
    return [(down, right) for down in steps for right in steps]


def _shifted(pixels: np.ndarray, shifts: list[tuple[int, int]]) -> np.ndarray:
    """Return an image (h, w, c) read so many pixels further down and to the right, reflected at its edges."""
    (h, w), most = pixels.shape[:2], max(max(map(abs, one)) for one in shifts)
    wide = np.pad(pixels, ((most, most), (most, most), (0, 0)), mode="symmetric")
    return np.stack([wide[most + i : most + i + h, most + j : most + j + w] for i, j in shifts])


def _shifted_back(maps: np.ndarray, shifts: list[tuple[int, int]]) -> np.ndarray:
    """Return the mean (h, w) of maps (n, h, w) of shifted images, over those that see a pixel."""
    _, h, w = maps.shape
    most = max(max(map(abs, one)) for one in shifts)
    total, count = np.zeros((2, h + 2 * most, w + 2 * most))
    for one, (i, j) in zip(maps, shifts, strict=True):
        total[most + i : most + i + h, most + j : most + j + w] += one
        count[most + i : most + i + h, most + j : most + j + w] += 1
    inner = (slice(most, most + h), slice(most, most + w))
    return total[inner] / count[inner]


def _watched(subject: Subject, images: np.ndarray) -> dict[tuple[int, int], tuple[str, np.ndarray]]:
    """Return for each size of layer, the deepest first, its path and the maps (n, h, w) of images (n, h, w, c)."""
    with differentiating(subject) as device:
        batch = as_batch(images, device).requires_grad_()
        with _Watch(subject.model.module, subject.size) as watch:
            score = class_contrast(subject, batch).sum()
        if not score.requires_grad or not watch.seen:
            return {}
        tensors = [one.tensor for parts in watch.seen.values() for one in parts]
        grads: Any = iter(torch.autograd.grad(score, tensors, allow_unused=True))
        graded = {key: [(part, next(grads)) for part in parts] for key, parts in watch.seen.items()}
    last = {size: max(part.turn for key in graded if key[1] == size for part, _ in graded[key]) for _, size in graded}
    found = {}
    for size in _distinct(sorted(last, key=lambda size: -last[size])):
        made = _of_size(size, [graded[key] for key in sorted(graded) if key[1] == size], subject.model.views)
        if made is not None:
            found[size] = made
    return found


@dataclass(frozen=True, eq=False)
class _Part:
    path: str
    turn: int
    tensor: Tensor
    kind: str


class _Watch:
    """Remembers what the parts of a module give while it runs, call by call and size by size."""

    def __init__(self, module: nn.Module, size: tuple[int, int]):
        self.module, self.size = module, size
        self.seen: dict[tuple[int, tuple[int, int]], list[_Part]] = {}
        self.call, self.turn, self.hooks = -1, 0, []

    def __enter__(self) -> _Watch:
        for path, part in self.module.named_modules():
            if path:
                self.hooks.append(part.register_forward_hook(self._hook(path)))
        self.hooks.append(self.module.register_forward_pre_hook(self._begin))
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def _begin(self, *_: object) -> None:
        self.call += 1

    def _hook(self, path: str) -> Any:
        def hear(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or not output.requires_grad or not output.is_floating_point():
                return
            self.turn += 1
            if known := places_of((1, *output.shape[1:]), self.size):
                kind, size = known
                parts = self.seen.setdefault((self.call, size), [])
                parts.append(_Part(path, self.turn, output, kind))
                del parts[: -_most(kind)]

        return hear


def _most(kind: str) -> int:
    return _REMEMBERED_TOKENS if kind == "tokens" else _REMEMBERED


def places_of(shape: tuple[int, ...], image: tuple[int, int]) -> tuple[str, tuple[int, int]] | None:
    """Return how an output for one image lies, and (h, w) of its places; None where it has none.

    Arguments:
        shape: of the output, with one image.
        image: (h, w).

    >>> places_of((1, 64, 7, 7), (224, 224)), places_of((1, 7, 7, 64), (224, 224)), places_of((1, 197, 192), (224, 224))
    (('first', (7, 7)), ('last', (7, 7)), ('tokens', (14, 14)))
    """
    if len(shape) == 4:
        _, a, b, c = shape
        if _alike((b, c), image):
            kind, size = "first", (b, c)
        elif _alike((a, b), image):
            kind, size = "last", (a, b)
        else:
            kind, size = "first", (b, c)
    elif len(shape) == 3:
        height, width = image
        grids = [(round((n * height / width) ** 0.5), n) for n in (shape[1], shape[1] - 1) if n > 0]
        fitting = [(h, n // h) for h, n in grids if h and n % h == 0 and _alike((h, n // h), image)]
        if not fitting:
            return None
        kind, size = "tokens", fitting[0]
    else:
        return None
    return (kind, size) if min(size) >= _LEAST_SIDE else None


def _alike(places: tuple[int, int], image: tuple[int, int]) -> bool:
    """Whether places lie as an image's pixels do, give or take one that a window left out."""
    if min(places) < 1 or places[0] > image[0] or places[1] > image[1]:
        return False
    return abs(places[0] * image[1] / image[0] - places[1]) <= 1


def _distinct(sizes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the sizes that are clearly finer than those before; of nearly equal ones, as by padding, the smaller."""
    kept: list[tuple[int, int]] = []
    for size in sizes:
        alike = [i for i, other in enumerate(kept) if 1 / _FINER < min(size) / min(other) < _FINER]
        if alike and size < kept[alike[0]]:
            kept[alike[0]] = size
        elif not alike:
            kept.append(size)
    return kept[:MOST_LAYERS]


def _of_size(
    size: tuple[int, int], calls: list[list[tuple[_Part, Tensor | None]]], views: Views
) -> tuple[str, np.ndarray] | None:
    """Return path and maps (n, h, w) of the last part of this size that has a gradient in every call."""
    for back in range(1, _REMEMBERED_TOKENS + 1):
        chosen = [parts[-back] for parts in calls if len(parts) >= back]
        # Of tokens the one for the class may have a gradient where the places have none.
        if len(chosen) < len(calls) or not all(_has_gradient(part, grad, size) for part, grad in chosen):
            continue
        maps = []
        for call, (part, grad) in enumerate(chosen):
            assert grad is not None
            one = _cam(_spatial(part, part.tensor.detach(), size), _spatial(part, grad, size))
            maps.append(turned_back(torch.from_numpy(one), views, call).numpy())
        return chosen[0][0].path, np.ascontiguousarray(np.mean(maps, 0))
    return None


def _has_gradient(part: _Part, grad: Tensor | None, size: tuple[int, int]) -> bool:
    return grad is not None and bool(_spatial(part, grad, size).abs().sum() > 0)


def _spatial(part: _Part, values: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (n, c, h, w)."""
    values = values.float().cpu()
    if part.kind == "first":
        return values
    if part.kind == "last":
        return values.permute(0, 3, 1, 2)
    return values[:, -size[0] * size[1] :].transpose(1, 2).reshape(len(values), -1, *size)


def _cam(values: Tensor, grads: Tensor) -> np.ndarray:
    """Return float32 (n, h, w): each place's values, weighted by their gradients that speak for the class, summed.

    Grad-CAM's mean gradient of a channel holds only where the net averages over all places. Before a flat fc layer, a
    maximum or further layers each place has its own; LayerCAM takes those above 0.
    """
    return (values * grads.relu()).sum(1).relu().numpy()
