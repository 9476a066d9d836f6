"""How activations spread through a net: whether they vanish, explode or die."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from striate.nets.layers import Relu, Relu6
from striate.nets.modules.module import NetModule
from striate.units import percent


@dataclass(frozen=True)
class LayerSpread:
    """One layer: mean and standard deviation of its values; `dead` is the share of its units that no image wakes.

    A unit is a channel, over all positions, or a fully connected unit; `dead` is None for layers other than ReLU.
    """

    path: str
    layer: str
    mean: float
    std: float
    dead: float | None


@dataclass(frozen=True)
class Spread:
    """The spread of activations layer by layer; `str` gives a table."""

    layers: tuple[LayerSpread, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the rows for JSON."""
        return {"layers": [vars(row) for row in self.layers]}

    def __str__(self) -> str:
        wide = max(len(row.path) for row in self.layers), max(len(row.layer) for row in self.layers)
        lines = [f"{'part':<{wide[0]}}  {'layer':<{wide[1]}}  {'mean':>10}  {'std':>10}  dead"]
        for row in self.layers:
            dead = "" if row.dead is None else percent(row.dead, 1)
            lines.append(f"{row.path:<{wide[0]}}  {row.layer:<{wide[1]}}  {row.mean:>10.3g}  {row.std:>10.3g}  {dead}")
        return "\n".join(line.rstrip() for line in lines)


def measure_spread(module: NetModule, images: np.ndarray) -> Spread:
    """Return mean, spread and dead share of a module's activations, trained or not.

    Arguments:
        module: the net; it is run in evaluation mode and left in the mode it was in.
        images: float (n, c, h, w), as they enter the net.

    >>> from striate.nets import parse
    >>> print(parse("fc(100) relu").spread(np.ones((2, 3)), init="zeros").layers[1].dead)
    1.0
    """
    training = module.training
    first = next(module.parameters(), torch.zeros(0))
    module.eval()
    with torch.no_grad():
        values = module.activations(torch.as_tensor(images).to(first))
    module.train(training)
    nodes = {node.path: node for node in module.graph.nodes}
    rows = []
    for path, value in values.items():
        layer = nodes[path].layer
        awake = (value > 0).transpose(0, 1).flatten(1).any(1)
        dead = 1 - float(awake.float().mean()) if isinstance(layer, Relu | Relu6) else None
        rows.append(LayerSpread(path, str(layer), float(value.mean()), float(value.std(correction=0)), dead))
    return Spread(tuple(rows))
