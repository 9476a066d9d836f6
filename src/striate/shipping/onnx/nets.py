"""A net in ONNX: the graph's nodes, one after another, batch norms inside the convolutions before them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from torch import nn

from striate.nets import NetModule
from striate.nets.graph import INPUT, Graph
from striate.nets.layers import Bn
from striate.nets.windows import Conv
from striate.shipping.onnx.builder import GraphBuilder
from striate.shipping.onnx.layers import array, conv, emit_layer, scale_and_shift


def emit_net(b: GraphBuilder, module: NetModule, images: str, wanted: Iterable[int]) -> dict[int, str]:
    """Add a net, as far as it is needed, and return the names of what the wanted nodes make.

    Arguments:
        images: the name of float (n, c, h, w), normalised.
        wanted: numbers of nodes; INPUT is the images.
    """
    graph = module.graph
    folded = _folded(graph)
    values = {INPUT: images}
    for i in sorted(_needed(graph, wanted)):
        node, layer = graph.nodes[i], module.layer(graph.nodes[i].path)
        inputs = tuple(values[source] for source in node.inputs)
        with b.scope(node.path):
            if i in folded.values():  # its convolution has done it
                values[i] = inputs[0]
            elif i in folded:
                norm = module.layer(graph.nodes[folded[i]].path)
                weight, bias = _with_norm(layer, norm)
                assert isinstance(node.layer, Conv)
                values[i] = conv(b, node.layer, node.in_shapes[0], inputs[0], weight, bias)
            else:
                values[i] = emit_layer(node.layer, b, layer, node.in_shapes[0], inputs)
    return {i: values[i] for i in wanted}


def _needed(graph: Graph, wanted: Iterable[int]) -> set[int]:
    needed, waiting = set(), [i for i in wanted if i != INPUT]
    while waiting:
        i = waiting.pop()
        if i not in needed:
            needed.add(i)
            waiting += [source for source in graph.nodes[i].inputs if source != INPUT]
    return needed


def _folded(graph: Graph) -> dict[int, int]:
    """Return for each convolution that a batch norm alone reads, that norm."""
    sources = [source for node in graph.nodes for source in node.inputs]
    return {
        node.inputs[0]: i
        for i, node in enumerate(graph.nodes)
        if isinstance(node.layer, Bn)
        and node.inputs[0] != INPUT
        and sources.count(node.inputs[0]) == 1
        and isinstance(graph.nodes[node.inputs[0]].layer, Conv)
    }


def _with_norm(convolution: nn.Module, norm: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    assert isinstance(convolution, nn.Conv2d)
    scale, shift = scale_and_shift(norm)
    weight = array(convolution.weight) * scale[:, None, None, None]
    bias = shift if convolution.bias is None else shift + scale * array(convolution.bias)
    return weight, bias
