"""What a model makes of images in one pass: logits over their views and of the images alone, what it saw of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from striate.classifier.heads.fitted import FittedModule
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.views import Seen, Views, logits_over_views
from striate.nets import NetModule
from striate.nets.graph import Graph
from striate.nets.layers import Activation
from striate.nets.modules.timm_models import TimmModule

# Of so many layers in the middle third of a net it is told what each channel does: the first ones see what any look at
# the pixels sees, the last ones only what tells the classes apart.
MOST_LAYERS = 3
# A last layer may get maps of more values than this, which are averaged over their pixels instead.
MOST_LAST = 4096


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a model makes of a block of images.

    Arguments:
        start, stop: which of the images they are.
        pixels: uint8 (m, h, w, c), as the net was given them.
        logits: float32 (m, k), averaged over the views, before any temperature.
        alone: float32 (m, k), of the images alone; the same array where there are no other views.
        features: by the name of what saw it, float32 (m, d) of the images alone; nothing where nobody asked.
    """

    start: int
    stop: int
    pixels: np.ndarray
    logits: np.ndarray
    alone: np.ndarray
    features: dict[str, np.ndarray]

    @property
    def both(self) -> tuple[np.ndarray, ...]:
        """The logits over the views, then those of the images alone where they are others."""
        return (self.logits,) if self.alone is self.logits else (self.logits, self.alone)

    def lean(self) -> Outputs:
        """Return the same without pixels and features."""
        return replace(self, pixels=self.pixels[:0].copy(), features={})


def seeing(module: nn.Module) -> Callable[[Tensor], Seen]:
    """Return what gives the logits of images and what the module saw of them: `last`, the last layer's input, `layers`.

    Of a module whose parts nobody knows, and of one that stands on pixels, there are only the logits.
    """
    if isinstance(module, NetModule):
        return _seeing_net(module)
    if isinstance(module, TimmModule):
        return lambda images: _with_last(module.head, module.embed(images))
    if isinstance(module, FittedModule) and module.body is not None:

        def fitted(images: Tensor) -> Seen:
            selected = module.selected(images)
            return module.classify(selected), {"last": selected}

        return fitted
    return lambda images: (module(images), {})


def _with_last(head: nn.Module, embedded: Tensor) -> Seen:
    return head(embedded), {"last": embedded}


def seen_paths(graph: Graph) -> tuple[str | None, list[str]]:
    """Return the layers of a net by which it is told what it saw: the last fc's input, and maps in its middle third."""
    nodes = graph.nodes
    fcs = [node for node in nodes if node.layer.word == "fc" and not node.head]
    last = nodes[fcs[-1].inputs[0]].path if fcs and fcs[-1].inputs[0] >= 0 else None
    maps = [
        node.path
        for i, node in enumerate(nodes)
        if isinstance(node.layer, Activation) and not node.head and len(graph.shape(i)) == 3
    ]
    places = np.linspace((len(maps) - 1) / 3, 2 * (len(maps) - 1) / 3, MOST_LAYERS).round().astype(int)
    return last, [maps[i] for i in np.unique(places)] if maps else []


def _seeing_net(module: NetModule) -> Callable[[Tensor], Seen]:
    last, maps = seen_paths(module.graph)
    output = module.graph.nodes[module.graph.output].path

    def net(images: Tensor) -> Seen:
        values = module.activations(images, {*maps, output, *([last] if last else [])})
        seen = {}
        if last:
            value = values[last].float()
            seen["last"] = value.mean((2, 3)) if value.ndim == 4 and value[0].numel() > MOST_LAST else value.flatten(1)
        if maps:
            seen["layers"] = torch.cat([_moments(values[path].float()) for path in maps], 1)
        return values[output], seen

    return net


def _moments(maps: Tensor) -> Tensor:
    """Return mean and spread of each channel of maps (n, c, h, w), as (n, 2c)."""
    flat = maps.flatten(2)
    return torch.cat([flat.mean(2), flat.std(2, unbiased=False)], 1)


def outputs_of(
    module: nn.Module,
    see: Callable[[Tensor], Seen] | None,
    batch: Tensor,
    preprocessing: Preprocessing,
    views: Views,
    start: int,
    pixels: np.ndarray,
) -> Outputs:
    """Return what a model makes of a batch of images.

    Arguments:
        module: its net.
        see: for the images alone, from `seeing`; None where nobody asks what was seen.
        batch: uint8 (m, c, h, w), on the module's device; `pixels` are the same as (m, h, w, c).
        start: which of the images is the first one.
    """
    logits, alone, seen = logits_over_views(module, batch, preprocessing, views, see)
    logits, alone = logits.cpu().numpy(), alone.cpu().numpy()
    features = {name: value.float().cpu().numpy() for name, value in seen.items()}
    return Outputs(start, start + len(pixels), pixels, logits, logits if views == "none" else alone, features)
