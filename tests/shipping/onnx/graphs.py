"""Running a piece of a graph."""

from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

import onnxruntime
from onnx import helper

from striate.shipping.onnx.builder import GraphBuilder


@contextmanager
def run_graph(emit, dtype, shape, rank):
    """Give a function from `images` to what `emit(builder)` names."""
    b = GraphBuilder()
    made = emit(b)
    images = helper.make_tensor_value_info("images", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
    output = helper.make_tensor_value_info(made, 1, [f"axis{i}" for i in range(rank)])
    model = b.model([images], [output], {})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    yield lambda images: session.run([made], {"images": images})[0]
