"""`Net`: an architecture as a value, and everything that comes from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from striate.nets.graph import Graph, make_graph
from striate.nets.layers import Shape
from striate.nets.structure import Chain
from striate.notebook.tables import html_table

if TYPE_CHECKING:
    import numpy as np

    from striate.nets.modules.spread import Spread
    from striate.nets.reference.reference import Reference
    from striate.nets.table import Table


@dataclass(frozen=True)
class Net:
    """A chain of layers; `str` gives its sentence, which `parse` reads back.

    >>> from striate.nets import parse
    >>> net = parse("conv(6, 5) relu maxpool(2) fc(10)")
    >>> net.output_shape((1, 28, 28))
    (10,)
    """

    chain: Chain

    def __repr__(self) -> str:
        return f"<Net {self}>"

    def __str__(self) -> str:
        return str(self.chain)

    def _repr_html_(self) -> str:
        hint = "net.table((channels, height, width)) shows its layers, net.svg(…) draws it"
        return html_table(str(self), notes=[hint])

    def graph(self, input_shape: Shape) -> Graph:
        """Return the net unrolled for images of (c, h, w), or for (k,) numbers.

        Raises:
            ShapeError: a layer does not fit; the message names it, both sizes and a way out.
        """
        return make_graph(self.chain, tuple(input_shape))

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output for one input, without the batch."""
        graph = self.graph(input_shape)
        return graph.shape(graph.output)

    def table(self, input_shape: Shape, batch: int = 1, strict: bool = False) -> Table:
        """Return the layer table.

        Arguments:
            input_shape: (c, h, w) or (k,).
            batch: images at a time, for the activation memory.
            strict: refuse a window that leaves pixels unseen.

        Raises:
            ShapeError: a layer does not fit, or, with `strict`, not evenly.
        """
        from striate.nets.table import make_table

        return make_table(self, self.graph(input_shape), batch, strict)

    def svg(self, input_shape: Shape, width: float | None = None) -> str:
        """Return a picture of the net as SVG text: blocks in proportion to their volumes.

        Arguments:
            input_shape: (c, h, w) or (k,).
            width: past this many pixels the picture goes on in another row, where its parts allow; None is one row.
        """
        from striate.nets.picture import draw

        return draw(self.chain, self.graph(input_shape), width)

    def reference(self, input_shape: Shape, seed: int = 0, init: str | None = None, weights: Any = None) -> Reference:
        """Return the NumPy implementation of the net: slow, readable, float64.

        Arguments:
            input_shape: (c, h, w) or (k,).
            seed: for the initial weights.
            init: an initialisation for all layers that do not name their own; None chooses by activation.
            weights: a mapping from "path.weight", "path.bias"… to arrays, instead of initial weights.
        """
        from striate.nets.reference.reference import Reference

        return Reference(self, tuple(input_shape), seed, init, weights)

    def spread(self, images: np.ndarray, seed: int = 0, init: str | None = None) -> Spread:
        """Return mean, spread and dead share of the activations layer by layer, before any training.

        Arguments:
            images: float (n, c, h, w) or (n, k).
            seed: for the initial weights.
            init: an initialisation; None chooses by activation.
        """
        from striate.nets.modules.module import make_module
        from striate.nets.modules.spread import measure_spread

        return measure_spread(make_module(self, tuple(images.shape[1:]), seed, init), images)
