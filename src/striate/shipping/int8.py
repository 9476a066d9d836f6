"""Eight-bit weights and activations in a graph: tried, timed, judged, and kept only where all of that speaks for it.

Quantisation is ONNX Runtime's own, with QDQ nodes, of the net alone: preprocessing and "none of these" stay.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks"; per tensor and per channel are both tried.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.classifier.unseen import HeldOut
from striate.errors import ArgumentError
from striate.metrics.comparison import Comparison, compare_paired
from striate.observer import Progress, silent
from striate.shipping.runtime import OnnxSession
from striate.shipping.verify import after_window
from striate.units import percent, say_bytes

# A loss of more of the accuracy than this is refused; a gain of less speed is not worth it.
MOST_LOSS, LEAST_SPEEDUP = 0.005, 1.05
CALIBRATED_ON, FEWEST = 256, 16
_AT_ONCE, _ROUNDS = 32, 15
# The names of the net's nodes in the graph begin with this.
_NET = "net/"


@dataclass(frozen=True)
class Timing:
    """Milliseconds an image at so many images at once, as they are and in eight bits: the best of some turns."""

    batch: int
    before_ms: float
    after_ms: float

    @property
    def speedup(self) -> float:
        """How many times as fast eight bits are."""
        return self.before_ms / self.after_ms


@dataclass(frozen=True)
class Int8Trial:
    """What eight bits came to.

    Arguments:
        kind: per tensor or per channel.
        calibrated_on: how many training images the ranges are from.
        comparison: accuracy in eight bits against float32, paired, on images that were not trained on.
        images: how many those are.
        correct: how many are right, in float32 and in eight bits.
        timings: at one image and at many.
        before_bytes, after_bytes: the sizes of the files.
        kept: whether it is worth it here.
    """

    kind: str
    calibrated_on: int
    comparison: Comparison
    images: int
    correct: tuple[int, int]
    timings: tuple[Timing, ...]
    before_bytes: int
    after_bytes: int

    @property
    def accurate(self) -> bool:
        """Whether the accuracy is kept."""
        return self.comparison.difference >= -MOST_LOSS

    @property
    def faster(self) -> bool:
        """Whether it is faster on this machine, one by one and many at once."""
        return min(one.speedup for one in self.timings) >= LEAST_SPEEDUP

    @property
    def kept(self) -> bool:
        """Whether it is worth it here."""
        return self.accurate and self.faster

    def say(self) -> str:
        """Return the figures and what follows, as one line for people."""
        low, high = (100 * end for end in self.comparison.interval)
        speeds = ", ".join(
            f"{one.before_ms:.2f} → {one.after_ms:.2f} ms an image at {one.batch} at once ({one.speedup:.2f}×)"
            for one in self.timings
        )
        before, after = (percent(one / self.images) for one in self.correct)
        told = (
            f"int8 {self.kind}: accuracy {before} → {after} on "
            f"{self.images:,} images, {100 * self.comparison.difference:+.2f} points (95 % interval {low:+.2f} to "
            f"{high:+.2f}); {speeds}; {say_bytes(self.before_bytes)} → {say_bytes(self.after_bytes)}"
        )
        if self.kept:
            return f"{told}: kept"
        why = [] if self.accurate else [f"it loses more than {100 * MOST_LOSS:g} points"]
        why += [] if self.faster else ["it is not faster on this machine"]
        return f"{told}: not worth it here, {' and '.join(why)}; the graph is float32"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "kind": self.kind, "kept": self.kept, "images": self.images, "calibrated_on": self.calibrated_on,
            "accuracy": self.correct[1] / self.images, "accuracy_float32": self.correct[0] / self.images,
            "difference": self.comparison.difference, "interval": list(self.comparison.interval),
            "timings": [vars(one) | {"speedup": one.speedup} for one in self.timings],
            "bytes": self.after_bytes, "bytes_float32": self.before_bytes,
        }  # fmt: skip


def try_int8(
    classifier: Classifier, model: bytes, held: HeldOut, progress: Progress = silent
) -> tuple[bytes, Int8Trial]:
    """Return the graph in eight bits, whichever kind keeps to the float32 one more closely, and what it came to.

    Arguments:
        model: the float32 graph.
        held: images to judge on, with labels, and those of the source that training has seen.

    Raises:
        ArgumentError: nothing in the graph can be quantised, or there are no training images to calibrate on.
    """
    training = calibration_images(classifier, held)
    progress("calibrating int8", 0, 2)
    kinds: dict[str, bytes] = {}
    for i, (kind, per_channel) in enumerate((("per tensor", False), ("per channel", True))):
        kinds[kind] = quantise(model, training, per_channel=per_channel)
        progress("calibrating int8", i + 1, 2)
    before = OnnxSession(model)
    sessions = {kind: OnnxSession(made) for kind, made in kinds.items()}
    expected = before.predict_batches(training, _AT_ONCE).probabilities

    def strays(kind: str) -> float:
        return float(np.abs(sessions[kind].predict_batches(training, _AT_ONCE).probabilities - expected).mean())

    kind = min(kinds, key=strays)
    right = [_right(session.predict, classifier, held, progress) for session in (before, sessions[kind])]
    timings = tuple(_timed(before, sessions[kind], training[:count]) for count in (1, min(_AT_ONCE, len(training))))
    trial = Int8Trial(
        kind, len(training), compare_paired(right[1], right[0], held.images.groups), len(held.labels),
        (int(right[0].sum()), int(right[1].sum())), timings, len(model), len(kinds[kind]),
    )  # fmt: skip
    return kinds[kind], trial


def calibration_images(classifier: Classifier, held: HeldOut) -> np.ndarray:
    """Return training images of the model's own size by which ranges are measured, uint8 (n, h, w, c).

    Those of the source that training has seen, evenly over it; else the small ones that the model keeps.

    Raises:
        ArgumentError: there are too few of either.
    """
    seen = held.seen
    if len(seen) >= FEWEST:
        rows = np.unique(np.linspace(0, len(seen) - 1, CALIBRATED_ON).astype(int))
        return classifier.block(seen.subset(rows), 0, len(rows))
    memory = classifier.samples.memory
    if memory is None or len(memory.labels) < FEWEST:
        raise ArgumentError(
            f"--int8 must be calibrated on at least {FEWEST} training images; the source has {len(seen)} of them, and "
            "the model keeps none. Give --verify the SOURCE that it was trained on"
        )
    rows = np.unique(np.linspace(0, len(memory.labels) - 1, CALIBRATED_ON).astype(int))
    return after_window(classifier).block(memory.thumbnails[rows], 0, len(rows))


class _Reader:
    """Gives calibration images to ONNX Runtime, some at a time."""

    def __init__(self, images: np.ndarray) -> None:
        self._parts = iter([images[i : i + _AT_ONCE] for i in range(0, len(images), _AT_ONCE)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        part = next(self._parts, None)
        return None if part is None else {"images": part}


def quantise(model: bytes, images: np.ndarray, *, per_channel: bool) -> bytes:
    """Return a graph whose net computes in eight bits.

    Raises:
        ArgumentError: nothing in it can be quantised.
    """
    import onnx

    chosen = [node for node in onnx.load_from_string(model).graph.node if _gains(node.name, node.op_type)]
    names = [node.name for node in chosen]
    if not {node.op_type for node in chosen} & {"Conv", "Gemm", "MatMul"}:
        raise ArgumentError("--int8 needs convolutions or fully connected layers; this model has none. Leave it out")
    with tempfile.TemporaryDirectory() as folder, _quiet():
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        plain, ready, made = (Path(folder) / f"{name}.onnx" for name in ("plain", "ready", "made"))
        plain.write_bytes(model)
        quant_pre_process(str(plain), str(ready), skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            str(ready), str(made), _Reader(images), quant_format=QuantFormat.QDQ, nodes_to_quantize=names,  # pyright: ignore
            per_channel=per_channel, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
        return made.read_bytes()


def _gains(name: str, kind: str) -> bool:
    """Whether a node of the net is quantised: what multiplies or moves values, not the arithmetic of an activation."""
    moved = kind in ("MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Relu", "Clip", "Flatten")
    summed = kind == "Add" and name.rpartition("/")[0].endswith("add")
    return name.startswith(_NET) and (kind in ("Conv", "Gemm", "MatMul") or moved or summed)


def _right(predict: Callable, classifier: Classifier, held: HeldOut, progress: Progress) -> np.ndarray:
    """Return bool (n,), which of the judged images a graph gets right."""
    parts, total = [], len(held.labels)
    for start in range(0, total, _AT_ONCE):
        stop = min(start + _AT_ONCE, total)
        said = predict(classifier.block(held.images, start, stop)).probabilities
        parts.append(said.argmax(1) == held.labels[start:stop])
        progress("judging int8", stop, total)
    return np.concatenate(parts)


def _timed(before: OnnxSession, after: OnnxSession, images: np.ndarray) -> Timing:
    """Return the best of turns that alternate: whatever else the machine does falls on both, and spares some turn."""
    seconds: tuple[list[float], list[float]] = ([], [])
    repeats = 1
    for turn in range(_ROUNDS + 1):
        for session, kept in zip((before, after), seconds, strict=True):
            begin = time.perf_counter()
            for _ in range(repeats):
                session.predict(images)
            took = (time.perf_counter() - begin) / repeats
            if turn:  # the first one warms up, and says how often a turn repeats
                kept.append(took)
            else:
                repeats = max(repeats, min(200, int(0.03 / max(took, 1e-6))))
    first, second = (1e3 * min(kept) / len(images) for kept in seconds)
    return Timing(len(images), first, second)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the advice of the quantiser, which is for its own users, off the screen."""
    root = logging.getLogger()
    before, disabled = root.level, logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.setLevel(before)
