"""Writing an ONNX graph down: operations by name, constants kept once, branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, ML_OPSET, IR_VERSION = 18, 3, 9
ML = "ai.onnx.ml"
# Constants of at most so many bytes are kept once, however often they are named.
_SHARED_BYTES = 256


class GraphBuilder:
    """Collects the nodes and constants of a graph; every value is known by its name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._shared: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._names: set[str] = set()
        self._scope = ""

    @contextmanager
    def scope(self, name: str):
        """Let the names of what is made here begin with `name` and a slash."""
        before, self._scope = self._scope, f"{self._scope}{name}/"
        try:
            yield
        finally:
            self._scope = before

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operation of one output and return the output's name."""
        return self.ops(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def ops(self, kind: str, *inputs: str, outputs: int, domain: str = "", **attributes: Any) -> tuple[str, ...]:
        """Add an operation and return the names of its outputs."""
        name = self.unique(kind)
        made = (name,) if outputs == 1 else tuple(f"{name}.{i}" for i in range(outputs))
        self.nodes.append(helper.make_node(kind, list(inputs), list(made), name=name, domain=domain, **attributes))
        return made

    def unique(self, name: str) -> str:
        """Return `name` in this scope, with a number where it is taken."""
        base = f"{self._scope}{name}"
        found, count = base, 1
        while found in self._names:
            count += 1
            found = f"{base}_{count}"
        self._names.add(found)
        return found

    def constant(self, value: Any, dtype: Any = np.float32, name: str = "constant") -> str:
        """Return the name of a constant; `dtype` None keeps that of the array."""
        array = np.ascontiguousarray(value) if dtype is None else np.ascontiguousarray(np.asarray(value, dtype))
        array = array.reshape(np.shape(value))  # ascontiguousarray makes an axis of none
        key = (array.dtype.str, array.shape, array.tobytes() if array.nbytes <= _SHARED_BYTES else b"")
        if key[2] and key in self._shared:
            return self._shared[key]
        made = self.unique(name)
        self.constants[made] = numpy_helper.from_array(array, made)
        if key[2]:
            self._shared[key] = made
        return made

    def ints(self, *values: int) -> str:
        """Return the name of a constant int64 (n,): axes, shapes and places."""
        return self.constant(values, np.int64, "ints")

    def cast(self, value: str, to: int = TensorProto.FLOAT) -> str:
        """Return a value as another type."""
        return self.op("Cast", value, to=to)

    def slice(self, value: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        """Return start…stop of an axis; a stop beyond the end is the end."""
        return self.op("Slice", value, self.ints(start), self.ints(stop), self.ints(axis), self.ints(step))

    def reduce(self, kind: str, value: str, *axes: int, keep: bool = False) -> str:
        """Return the Sum, Mean, Max or Min over axes."""
        return self.op(f"Reduce{kind}", value, self.ints(*axes), keepdims=int(keep))

    def choose(self, condition: str, yes: Callable[[], str], no: Callable[[], str]) -> str:
        """Return what one of two branches makes, of which only that one is computed."""
        then_branch, else_branch = self._branch(yes), self._branch(no)
        return self.op("If", condition, then_branch=then_branch, else_branch=else_branch)

    def _branch(self, make: Callable[[], str]) -> onnx.GraphProto:
        outside, self.nodes = self.nodes, []
        try:
            result = self.op("Identity", make())
            untyped = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
            return helper.make_graph(self.nodes, self.unique("branch"), [], [untyped])
        finally:
            self.nodes = outside

    def model(
        self,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        metadata: dict[str, str],
    ) -> onnx.ModelProto:
        """Return the model, checked by ONNX's own checker."""
        graph = helper.make_graph(self.nodes, "striate", list(inputs), list(outputs), list(self.constants.values()))
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == ML for node in self.nodes):
            opsets.append(helper.make_opsetid(ML, ML_OPSET))
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="striate")
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        return model
