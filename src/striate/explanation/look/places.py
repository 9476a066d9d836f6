"""The layers inside any model, by path, and where in the image each place of a layer looks."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import FittedModule
from striate.errors import ArgumentError, some
from striate.nets import NetModule
from striate.nets.graph import INPUT, Graph, Node
from striate.nets.layers import Fc, Flatten
from striate.nets.structure import Multiply
from striate.nets.taps import names_without_taps
from striate.nets.windows import Globalavg, Subsample, Window

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Mish,
)  # fmt: skip
_CHANNELS_LAST = (nn.Linear, nn.LayerNorm)


@dataclass(frozen=True, eq=False)
class LayerPlace:
    """One layer of a model.

    Arguments:
        path: as in the layer table, or torch's name of the module.
        layer: what it is, as the net's sentence or torch says it.
        module: what computes it.
        units_last: whether its units are counted by the last axis of its output, as of tokens, rather than the second.
        node: its number in the net's graph; None in other modules.
    """

    path: str
    layer: str
    module: nn.Module
    units_last: bool = False
    node: int | None = None


@dataclass(frozen=True)
class View:
    """Where the places of a layer look: row r at the pixels from `start + r·jump` to `stop + r·jump`, of each axis.

    Arguments:
        start, stop, jump: (h, w) in pixels of the model's input; the first window may begin in the padding.
    """

    start: tuple[int, int]
    stop: tuple[int, int]
    jump: tuple[int, int]

    def box(self, place: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return (top, left, bottom, right) of the pixels that a place sees, within an image (h, w)."""
        low = [max(0, self.start[i] + place[i] * self.jump[i]) for i in range(2)]
        high = [min(size[i], self.stop[i] + place[i] * self.jump[i]) for i in range(2)]
        return low[0], low[1], high[0], high[1]


def net_of(model: Classifier) -> nn.Module | None:
    """Return the module in which there are layers: of what was fitted the net whose features it sees, if any."""
    return model.module.body if isinstance(model.module, FittedModule) else model.module


def layers_of(model: Classifier) -> list[LayerPlace]:
    """Return the layers of a model in their order: the nodes of a net, or the innermost parts of any other module."""
    net = net_of(model)
    if net is None:
        return []
    if isinstance(net, NetModule):
        nodes = [(i, node) for i, node in enumerate(net.graph.nodes) if not node.head]
        names = names_without_taps(net.net, [node.path for _, node in nodes])
        return [
            LayerPlace(names[node.path], str(node.written), net.layer(node.path), node=i) for i, node in nodes
        ]  # fmt: skip
    parts = {path: part for path, part in net.named_modules() if path and not any(True for _ in part.children())}
    last = _units_last(model, parts)
    return [LayerPlace(path, repr(part).splitlines()[0][:80], part, path in last) for path, part in parts.items()]


def find_layer(model: Classifier, path: str) -> LayerPlace:
    """Return the layer, or the part, of a model with this path.

    Raises:
        ArgumentError: there is none; the message names those that there are.
    """
    net, layers = net_of(model), layers_of(model)
    shown = {one.path: one for one in layers}
    written = {net.graph.nodes[one.node].path: one for one in layers if one.node is not None}  # pyright: ignore
    if found := shown.get(path) or written.get(path):
        return found
    if net is not None and path:
        below = [one for one in layers if one.node is not None and one.path.startswith(f"{path}.")]
        if below:
            return below[-1]  # a part's last layer is what comes out of it
        if path in dict(net.named_modules()) and not isinstance(net, NetModule):
            part = net.get_submodule(path)
            return LayerPlace(path, type(part).__name__, part, path in _units_last(model, dict(net.named_modules())))
    names = [one.path for one in layers]
    if not names:
        raise ArgumentError(f"--layer must name a layer; {model.net} has none")
    near = difflib.get_close_matches(path, names, 3)
    hint = f"; did you mean {', '.join(near)}?" if near else "."
    raise ArgumentError(f"no layer has the path {path!r}{hint} Paths: {some(names, 12 if near else 60)}")


def is_activation(layer: LayerPlace) -> bool:
    """Whether a layer bends its values: ReLU and its kin, tanh, sigmoid."""
    return isinstance(layer.module, ACTIVATIONS)


def units_first(layer: LayerPlace, output: Tensor) -> Tensor:
    """Return a layer's output (n, …) as (n, units, places)."""
    if layer.units_last and output.ndim > 2:
        output = output.movedim(-1, 1)
    return output.flatten(2) if output.ndim > 2 else output[..., None]


def output_shape_of(layer: LayerPlace, output: Tensor) -> tuple[int, ...]:
    """Return the shape of a layer's output for one image, units first."""
    shape = tuple(output.shape[1:])
    return (shape[-1], *shape[:-1]) if layer.units_last and len(shape) > 1 else shape


def _units_last(model: Classifier, parts: dict[str, nn.Module]) -> set[str]:
    """Return the paths of the parts of a module that is no net of ours whose units are on the last axis.

    Convolutions and norms of maps have the channels second; linear layers, layer norms and all that makes tokens
    (n, t, d) have them last; whatever else makes maps has them where the last layer with maps of that shape has them.
    """
    shapes: dict[tuple[int, ...], bool] = {}
    found: set[str] = set()

    def reader(path: str):
        def read(module: nn.Module, inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or output.ndim < 3:
                return
            shape = tuple(output.shape[1:])
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                shapes[shape] = False
            elif isinstance(module, _CHANNELS_LAST) or output.ndim == 3:
                shapes[shape] = True
            if shapes.get(shape, False):
                found.add(path)

        return read

    handles = [part.register_forward_hook(reader(path)) for path, part in parts.items()]
    try:
        look_at_nothing(model)
    finally:
        for handle in handles:
            handle.remove()
    return found


def layer_shapes(model: Classifier) -> dict[str, tuple[int, ...]]:
    """Return the shape of each layer's output for one image, units first, by its path; of parts too."""
    net, shapes = net_of(model), {}
    if net is None:
        return {}
    places = {one.path: one for one in layers_of(model)}
    if not isinstance(net, NetModule):
        last = _units_last(model, parts := {path: part for path, part in net.named_modules() if path})
        places = {path: LayerPlace(path, "", part, path in last) for path, part in parts.items()} | places

    def reader(place: LayerPlace):
        def read(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim > 1:
                shapes[place.path] = output_shape_of(place, output)

        return read

    handles = [place.module.register_forward_hook(reader(place)) for place in places.values()]
    try:
        look_at_nothing(model)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def look_at_nothing(model: Classifier) -> None:
    """Run a model on one image of zeros, for hooks to see what is called."""
    device = model.device
    with torch.inference_mode():
        model.module.eval()(torch.zeros(1, *model.preprocessing.input_shape, device=device))


def view_of(model: Classifier, layer: LayerPlace, shape: tuple[int, ...]) -> View | None:
    """Return where the places of a layer look; None where each sees the whole image, or there are no places.

    Of a net it follows from the windows, gates aside, which see the whole image; of other modules it is measured.

    Arguments:
        shape: of the layer's output for one image, with the units first.
    """
    net = net_of(model)
    if len(shape) != 3 or net is None:
        return None
    if isinstance(net, NetModule):
        return None if layer.node is None else _views(net.graph)[layer.node]
    return measured_view(model, layer, (shape[1], shape[2]))


def _views(graph: Graph) -> dict[int, View | None]:
    found: dict[int, View | None] = {INPUT: View((0, 0), (1, 1), (1, 1))}
    for i, node in enumerate(graph.nodes):
        found[i] = _below(node, [found[source] for source in node.inputs])
    return found


def _below(node: Node, before: list[View | None]) -> View | None:
    before = before[:1] if isinstance(node.layer, Multiply) else before
    known = [view for view in before if view is not None]
    if len(known) < len(before) or isinstance(node.layer, Fc | Flatten | Globalavg):
        return None
    start = tuple(min(view.start[i] for view in known) for i in range(2))
    stop = tuple(max(view.stop[i] for view in known) for i in range(2))
    jump = known[0].jump
    if isinstance(node.layer, Window):
        axes = node.layer.axes(node.in_shapes[0])
        start = tuple(start[i] - axes[i].before * jump[i] for i in range(2))
        stop = tuple(stop[i] + (axes[i].reach - 1 - axes[i].before) * jump[i] for i in range(2))
        jump = (jump[0] * axes[0].stride, jump[1] * axes[1].stride)
    if isinstance(node.layer, Subsample):
        jump = (jump[0] * node.layer.stride, jump[1] * node.layer.stride)
    return View((start[0], start[1]), (stop[0], stop[1]), jump)


def measured_view(model: Classifier, layer: LayerPlace, places: tuple[int, int]) -> View | None:
    """Return where the places of a layer look, by the pixels on which they depend for some noise.

    A pixel that no unit heeds for any of the noise images is missed; of piecewise linear nets hardly one is.
    """
    device = model.device
    noise = 60 * torch.randn(2, *model.preprocessing.input_shape, generator=torch.Generator().manual_seed(0)) + 128
    # Where a field ends is seen from the first places, where it begins from the last: elsewhere the edges cut it.
    rows = [[min(k, side - 1) for side in places] for k in (0, 1)]
    rows += [[max(side - 1 - k, 0) for side in places] for k in (1, 0)]
    seen = [_seen_from(model, layer, noise.to(device), row) for row in rows]
    if any(one is None for one in seen):
        return None
    start, stop, jump = [], [], []
    for i, side in enumerate(model.preprocessing.size):
        ends, begins = [one[1][i] for one in seen[:2]], [one[0][i] for one in seen[2:]]
        steps = [ends[1] - ends[0]] * (ends[1] < side) + [begins[1] - begins[0]] * (begins[0] > 0)
        jump.append(next((step for step in steps if step > 0), max(1, round(side / places[i]))))
        start.append(begins[1] - (places[i] - 1) * jump[i])
        stop.append(ends[0])
    if all(one[0][i] <= 0 and one[1][i] >= model.preprocessing.size[i] for one in seen for i in range(2)):
        return None
    return View((start[0], start[1]), (stop[0], stop[1]), (jump[0], jump[1]))


def _seen_from(model: Classifier, layer: LayerPlace, noise: Tensor, place: list[int]) -> Any:
    """Return ((top, left), (bottom, right)) of the pixels whose change changes a place of a layer."""
    noise = noise.requires_grad_()
    kept = output_of(model.module, layer.module, model.preprocessing.normalise(noise))
    value = units_first(layer, kept).reshape(len(noise), *output_shape_of(layer, kept))
    # Odd weights, so that no two units cancel.
    weights = torch.linspace(0.5, 1.7, value.shape[1], device=value.device)[:, None]
    (slope,) = torch.autograd.grad((value[:, :, place[0], place[1]] * weights.T).sum(), noise)
    seen = slope.abs().amax((0, 1)) > 0
    if not seen.any():
        return None
    rows, columns = seen.any(1).nonzero().flatten().tolist(), seen.any(0).nonzero().flatten().tolist()
    return (rows[0], columns[0]), (rows[-1] + 1, columns[-1] + 1)


class _EnoughError(Exception):
    """What was wanted has been computed."""


def output_of(module: nn.Module, layer: nn.Module, images: Tensor) -> Tensor:
    """Return what a layer makes of normalised images, without computing what comes after it."""
    kept: list[Tensor] = []

    def keep(part: nn.Module, inputs: Any, output: Any) -> None:
        # What comes after may overwrite it in place.
        kept.append(output.clone())
        raise _EnoughError

    handle = layer.register_forward_hook(keep)
    try:
        module(images)
    except _EnoughError:
        pass
    finally:
        handle.remove()
    if not kept:
        raise ArgumentError(f"the layer {type(layer).__name__} is not used when the model looks at an image")
    return kept[0]


def pixel_blocks(model: Classifier, images: Any, at_once: int) -> Iterator[tuple[int, Any, Tensor]]:
    """Yield images block by block: the place of the first, uint8 (m, h, w, c), and the batch on the model's device."""
    from striate.data.tensors import to_batch

    device = model.device
    for start in range(0, len(images), at_once):
        pixels = model.block(images, start, min(start + at_once, len(images)))
        yield start, pixels, to_batch(pixels, device)
