"""Initialisations by name, and the numbers behind them; filling tensors and arrays is done where they live."""

from __future__ import annotations

from striate.nets.graph import Graph
from striate.nets.layers import Activation, Fc, Gelu, Leakyrelu, Relu, Relu6, Silu
from striate.nets.rules import Rule, read_rule
from striate.nets.windows import Conv, Whiten


def choose_rules(graph: Graph, init: str | None) -> dict[int, Rule]:
    """Return the initialisation of each node that has weights, by the node's number.

    A layer's own `init` goes first, then `init`, then he before a ReLU or one of its kin and xavier elsewhere.
    """
    everywhere = read_rule(init) if init is not None else None
    rules: dict[int, Rule] = {}
    for i, node in enumerate(graph.nodes):
        if isinstance(node.layer, Conv | Fc):
            own = read_rule(node.layer.init) if node.layer.init is not None else None
            rules[i] = own or everywhere or (Rule("he") if _before_relu(graph, i) else Rule("xavier"))
        elif isinstance(node.layer, Whiten):
            rules[i] = Rule("orthogonal")
    return rules


def _before_relu(graph: Graph, number: int) -> bool:
    for node in graph.nodes[number + 1 :]:
        if isinstance(node.layer, Activation):
            return isinstance(node.layer, Relu | Relu6 | Leakyrelu | Gelu | Silu)
        if isinstance(node.layer, Conv | Fc):
            return False
    return False
