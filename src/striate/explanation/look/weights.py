"""What a model has learned of pixels, drawn as pictures: its first filters, a linear model's templates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import FittedModule
from striate.classifier.heads.linear import Linear
from striate.explanation.look.pictures import MOST_BANDS, Gallery, LookPicture, weights_picture
from striate.explanation.look.places import layers_of, look_at_nothing, net_of
from striate.nets.modules.windows import Whitening

MOST_FILTERS, MOST_TEMPLATES = 128, 100
# Templates of so many pixels a side are shown blurred too.
_BLURRED_FROM_PX = 16
_COLOURS = ("red", "green", "blue")
_GRAY = "Gray is a weight of 0, brighter is positive, darker negative; each picture by its own largest weights."
_TEMPLATE = (
    "A class's score is the sum of pixel × weight, and a constant: an image that looks like the template scores high."
)


@dataclass(frozen=True, eq=False)
class _FirstLayer:
    """The first layer with filters, and the shape (c, h, w) of what it gets."""

    path: str
    layer: str
    module: Any
    shape: tuple[int, ...]


def weight_galleries(model: Classifier) -> tuple[list[Gallery], list[str]]:
    """Return a model's first filters or templates, and what is to be said where there are none."""
    if (made := linear_templates(model)) is not None:
        return made, []
    first = _first_layer(model)
    if first is None:
        return [], [] if net_of(model) is None else ["No layer of it stands on the pixels themselves."]
    if isinstance(first.module, nn.Linear) or first.module.weight.ndim == 2:
        return _first_units(model, first), []
    return [_first_filters(model, first)], []


def linear_templates(model: Classifier) -> list[Gallery] | None:
    """Return a picture a class of what was fitted linearly to pixels; None where it was fitted to anything else."""
    module, shape = model.module, template_shape(model)
    if shape is None or not isinstance(module, FittedModule) or not isinstance(module.head, Linear):
        return None
    weights = spread_out(module, module.head.weight / module.selection.scale, shape)
    weights = weights / model.preprocessing.std[:, None, None]
    names = [model.classes[i] for i in module.present.tolist()]
    left_out = math.prod(shape) - len(module.selection.columns)
    said = (_TEMPLATE, _GRAY, *_smaller(model, shape))
    said += (f"{left_out:,} of {math.prod(shape):,} pixel values were not used, and are gray.",) if left_out else ()
    return _templates(weights, names, said)


def _templates(weights: np.ndarray, names: Sequence[str], said: tuple[str, ...]) -> list[Gallery]:
    """Return weights (k, c, h, w) as a picture a class, and of larger images blurred too."""
    from scipy.ndimage import gaussian_filter

    def drawn(rows: np.ndarray) -> tuple[LookPicture, ...]:
        pairs = zip(names[:MOST_TEMPLATES], rows[:MOST_TEMPLATES], strict=True)
        return tuple(LookPicture(name, weights_picture(one)) for name, one in pairs)

    made = [Gallery("templates", "Templates, one a class", said, drawn(weights), len(weights))]
    side = min(weights.shape[2:])
    if side >= _BLURRED_FROM_PX:
        smooth = gaussian_filter(weights, side / 12, axes=(2, 3))
        told = "The same weights, blurred, so that the eye sees areas rather than single pixels."
        made.append(Gallery("templates-blurred", "Templates, blurred", (told,), drawn(smooth), len(weights)))
    return made


def template_shape(model: Classifier) -> tuple[int, int, int] | None:
    """Return the shape (c, h, w) of the pixels that something was fitted to; None where it stands on a net's features.

    Large images are averaged over squares first.
    """
    net = net_of(model)
    if net is None:
        return model.preprocessing.input_shape
    graph = getattr(net, "graph", None)
    if graph is None or any(node.parameters for node in graph.nodes) or len(graph.shape(graph.output)) != 3:
        return None
    return graph.shape(graph.output)


def spread_out(module: FittedModule, rows: Tensor, shape: tuple[int, int, int]) -> np.ndarray:
    """Return numbers (m, d) of the selected features as float64 (m, c, h, w), 0 where a feature was not chosen."""
    whole = torch.zeros(len(rows), math.prod(shape), dtype=torch.float64)
    whole[:, module.selection.columns.cpu()] = rows.detach().double().cpu()
    return whole.reshape(len(rows), *shape).numpy()


def _smaller(model: Classifier, shape: tuple[int, ...]) -> tuple[str, ...]:
    if shape[1:] == model.preprocessing.size:
        return ()
    return (f"Images are averaged over squares to {shape[1]}×{shape[2]} pixels first.",)


def _first_layer(model: Classifier) -> _FirstLayer | None:
    """Return the first layer with filters that an image passes, if what it gets are still pixels."""
    found: list[_FirstLayer] = []
    shapes: list[tuple[int, ...]] = [model.preprocessing.input_shape]
    handles = []

    def reader(path: str, layer: str):
        def read(module: nn.Module, inputs: Any, output: Any) -> None:
            weight = getattr(module, "weight", None)
            given = next((one for one in inputs if isinstance(one, Tensor)), None)
            if given is None or found:
                return
            if given.ndim == 4:
                shapes.append(tuple(given.shape[1:]))
            if isinstance(weight, Tensor) and weight.ndim in (2, 4):
                found.append(_FirstLayer(path, layer, module, shapes[-1]))

        return read

    for one in layers_of(model):
        handles.append(one.module.register_forward_hook(reader(one.path, one.layer)))
    try:
        look_at_nothing(model)
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        return None
    first, channels = found[0], model.preprocessing.channels
    weight = first.module.weight
    if weight.ndim == 4:
        own = weight.shape[1] * getattr(first.module, "groups", 1)
        return first if own == channels == first.shape[0] else None
    return first if weight.shape[1] == math.prod(first.shape) and first.shape[0] == channels else None


def _first_filters(model: Classifier, first: _FirstLayer) -> Gallery:
    weights = first.module.weight.detach().double().cpu().numpy()
    count, own, h, w = weights.shape
    groups, channels = getattr(first.module, "groups", 1), model.preprocessing.channels
    std = model.preprocessing.std.astype(np.float64)
    seen = [i // (count // groups) * own for i in range(count)]
    pictures = tuple(
        LookPicture(
            str(i),
            weights_picture(one / std[seen[i] : seen[i] + own, None, None]),
            "all 0" if not one.any() else _sees(seen[i], own, channels),
        )
        for i, one in enumerate(weights[:MOST_FILTERS])
    )
    said = [f"{first.layer} at {first.path}: {count:,} filters of {h}×{w} pixels that slide over the image.", _GRAY]
    if isinstance(first.module, Whitening):
        said.append(
            "They were not learned: they are the directions in which small patches of the training images vary, "
            "strongest first, and behind them the same with the opposite sign."
        )
    if own == channels > MOST_BANDS:
        said.append(f"Of {channels} bands the first {MOST_BANDS} are drawn, side by side.")
    elif own == channels and channels not in (1, 3):
        said.append(f"The {channels} bands are drawn side by side.")
    return Gallery("first-layer", "Filters of the first layer", tuple(said), pictures, count)


def _sees(first: int, own: int, channels: int) -> str:
    if own == channels:
        return ""
    return f"sees {_COLOURS[first]} alone" if channels == 3 and own == 1 else f"sees bands {first} to {first + own - 1}"


def _first_units(model: Classifier, first: _FirstLayer) -> list[Gallery]:
    """Return what each unit of a first fully connected layer holds against the pixels, as a picture."""
    weights = first.module.weight.detach().double().cpu().numpy().reshape(-1, *first.shape)
    weights = weights / model.preprocessing.std.astype(np.float64)[:, None, None]
    net, count = net_of(model), len(weights)
    learns = [part for part in net.modules() if getattr(part, "weight", None) is not None] if net else []
    alone = len(learns) == 1 and count == len(model.classes)
    own = _smaller(model, first.shape)
    if alone:
        return _templates(weights, model.classes, (_TEMPLATE, _GRAY, *own))
    pictures = tuple(LookPicture(str(i), weights_picture(one)) for i, one in enumerate(weights[:MOST_FILTERS]))
    told = f"{first.layer} at {first.path}: {count:,} units, each with a weight for every pixel."
    return [Gallery("first-layer", "Templates of the first layer's units", (told, _GRAY, *own), pictures, count)]
