"""ONNX Runtime as what computes a model's answers: the same graph as `striate export` writes, without the resizing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from striate.classifier.classifier import Classifier
from striate.errors import ArgumentError
from striate.shipping.service.runtimes import Judged, best_batch
from striate.system.devices import usable_cpus


class OnnxRuntime:
    """A model's graph under ONNX Runtime, on the processor.

    Raises:
        ArgumentError: the model computes elsewhere, or a part of it has no counterpart in ONNX.
        MissingExtraError: onnx or onnxruntime is not installed.
    """

    name = "onnxruntime"

    def __init__(self, model: Classifier):
        from striate.shipping.onnx.model import make_onnx
        from striate.shipping.runtime import PROVIDERS, import_runtime

        if device := next((one.device for one in model.module.state_dict().values() if one.device.type != "cpu"), None):
            raise ArgumentError(f"ONNX Runtime computes on the processor; this model is on {device}")
        # What is given has the model's own size, and bytes, already: nothing is left to cut or to scale.
        shape = replace(model.preprocessing, resize=None, window=None)
        graph, _ = make_onnx(replace(model, preprocessing=shape))
        runtime = import_runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = usable_cpus()
        options.log_severity_level = 3
        # Threads that wait shall sleep: others decode and answer on the same processor.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = runtime.InferenceSession(graph.SerializeToString(), options, providers=list(PROVIDERS))
        self._names = [one.name for one in self._session.get_outputs()]
        self.batch = best_batch(model)

    def judge(self, pixels: np.ndarray) -> Judged:
        """Return what the model says of uint8 (n, h, w, c) of its own size."""
        given = {"images": np.ascontiguousarray(pixels)}
        said = dict(zip(self._names, self._session.run(self._names, given), strict=True))
        return Judged(said["probabilities"], said.get("known"))
