"""Modules of the user's own and of timm's: torch's exporter writes them down, and they become part of the graph."""

from __future__ import annotations

import copy
import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from striate.errors import ArgumentError
from striate.shipping.onnx.builder import OPSET, GraphBuilder


def emit_traced(b: GraphBuilder, module: nn.Module, images: str, input_shape: tuple[int, int, int]) -> str:
    """Add a module as torch's exporter sees it, with a batch of any size, and return the name of its output.

    Arguments:
        images: the name of float (n, c, h, w), normalised.

    Raises:
        ArgumentError: the exporter cannot do it; the message has its reason.
    """
    trial = copy.deepcopy(module).cpu().float().eval()
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
            written = Path(folder) / "module.onnx"
            warnings.simplefilter("ignore")  # it is deprecated; its successor needs a package more
            torch.onnx.export(
                trial, (torch.zeros(2, *input_shape),), str(written), dynamo=False, opset_version=OPSET,
                input_names=["images"], output_names=["made"], dynamic_axes={"images": {0: "n"}, "made": {0: "n"}},
            )  # fmt: skip
            made = onnx.load(written)
    except Exception as error:  # it raises what it likes
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArgumentError(
            f"{type(module).__name__} cannot be exported: torch's exporter says {said[:300]}. "
            "A net of Striate's own layers can"
        ) from None
    return _grafted(b, made.graph, images)


def _grafted(b: GraphBuilder, graph: onnx.GraphProto, images: str) -> str:
    """Add the nodes and constants of another graph under names of this one's."""
    names = {"images": images, "": ""}
    for tensor in graph.initializer:
        names[tensor.name] = b.unique(tensor.name)
        kept = onnx.TensorProto()
        kept.CopyFrom(tensor)
        kept.name = names[tensor.name]
        b.constants[kept.name] = kept
    for node in graph.node:
        if any(
            attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for attribute in node.attribute
        ):
            raise ArgumentError(f"the module branches while it computes ({node.op_type}), which cannot be exported")
        kept = onnx.NodeProto()
        kept.CopyFrom(node)
        for place, name in enumerate(node.input):
            kept.input[place] = names[name]
        for place, name in enumerate(node.output):
            names[name] = b.unique(name) if name else ""
            kept.output[place] = names[name]
        kept.name = b.unique(node.op_type)
        b.nodes.append(kept)
    return names["made"]
