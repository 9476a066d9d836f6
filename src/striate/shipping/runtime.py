"""An exported graph under ONNX Runtime."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.errors import MissingExtraError

PROVIDERS = ("CPUExecutionProvider",)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a graph says of images.

    Arguments:
        probabilities: float32 (n, k).
        known: bool (n,), false: none of these; None where the graph cannot tell.
        score: float32 (n,), how strange they are; None where the graph cannot tell.
    """

    probabilities: np.ndarray
    known: np.ndarray | None = None
    score: np.ndarray | None = None

    @classmethod
    def joined(cls, parts: list[Answers]) -> Answers:
        """Return the answers of several batches as one."""
        columns = [[getattr(part, name) for part in parts] for name in ("probabilities", "known", "score")]
        return cls(*(None if column[0] is None else np.concatenate(column) for column in columns))  # pyright: ignore


class OnnxSession:
    """A graph that answers.

    Arguments:
        model: the serialised graph, or the path of its file.
        threads: of the processor; 0: as many as the runtime likes.
    """

    def __init__(self, model: bytes | str, threads: int = 0) -> None:
        runtime = import_runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # what it warns of are its own habits
        self._session = runtime.InferenceSession(model, options, providers=list(PROVIDERS))
        self._names = [one.name for one in self._session.get_outputs()]

    def predict(self, images: np.ndarray) -> Answers:
        """Return what the graph says of images, uint8 (n, h, w, c)."""
        said = dict(zip(self._names, self._session.run(self._names, {"images": images}), strict=True))
        return Answers(**said)

    def predict_batches(self, images: np.ndarray, size: int) -> Answers:
        """Return the same, so many images at once."""
        return Answers.joined([self.predict(images[i : i + size]) for i in range(0, len(images), size)])


def import_runtime() -> Any:
    """Return the module onnxruntime.

    Raises:
        MissingExtraError: it, or onnx, is not installed.
    """
    for name in ("onnx", "onnxruntime"):
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError:
            raise MissingExtraError(f'{name} is not installed: pip install "striate[export]"') from None
    return found
