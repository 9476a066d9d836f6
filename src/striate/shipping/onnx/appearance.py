"""How an image looks, in ONNX: `striate.classifier.novelty.appearance`, operation by operation."""

from __future__ import annotations

import numpy as np

from striate.classifier.novelty.appearance import FLAT, LOOKED_AT_PX, SCALES
from striate.shipping.onnx.builder import GraphBuilder

_UNIT = 1 / 255


def emit_appearance(b: GraphBuilder, pixels: str, shape: tuple[int, int, int]) -> str:
    """Add what images look like as numbers, float32 (n, d).

    Arguments:
        pixels: the name of whole numbers 0…255 as float32 (n, c, h, w), as the net is given them before the mean.
        shape: (c, h, w).
    """
    look = _Look(b)
    (c, h, w), factor = shape, max(1, min(shape[1:]) // LOOKED_AT_PX)
    planes = b.op("Div", look.pooled(pixels, (c, h, w), factor), b.constant(255))
    h, w = h // factor, w // factor
    gray = look.mean_of_channels(planes, c)
    flat = b.op("Reshape", planes, b.ints(-1, c, h * w))
    ordered = b.ops("TopK", b.op("Reshape", gray, b.ints(-1, h * w)), b.ints(h * w), outputs=2, axis=1, largest=0)[0]
    places = (np.array([0.01, 0.25, 0.5, 0.75, 0.99]) * (h * w - 1)).round().astype(int)
    parts = [b.reduce("Mean", flat, 2), look.spread(flat, 2), look.spread(ordered, 1, keep=True)]
    parts += [b.op("Gather", ordered, b.ints(*places.tolist()), axis=1)]
    parts += look.flatness(gray, h, w)
    if c > 1:
        extent = b.op("Sub", b.reduce("Max", flat, 1), b.reduce("Min", flat, 1))
        colour = b.op("Abs", b.op("Sub", planes, b.op("Unsqueeze", gray, b.ints(1))))
        mean = b.op("Unsqueeze", b.reduce("Mean", colour, 1, 2, 3), b.ints(1))
        parts.append(look.log(mean, 1e-3))
        parts.append(look.share_below(extent, 1))
    opponent, channels = look.opponent(planes, c)
    return b.op("Concat", *parts, *look.details(opponent, channels, h, w), axis=1)


class _Look:
    """The parts, each as the NumPy function of its name has it, rounded alike where a comparison depends on it."""

    def __init__(self, b: GraphBuilder) -> None:
        self.b = b

    def pooled(self, planes: str, shape: tuple[int, int, int], factor: int) -> str:
        b, (c, h, w) = self.b, shape
        if factor == 1:
            return planes
        high, wide = h // factor, w // factor
        even = b.slice(b.slice(planes, 2, 0, high * factor), 3, 0, wide * factor)
        squares = b.op("Reshape", even, b.ints(-1, c, high, factor, wide, factor))
        return b.op("Div", b.reduce("Sum", squares, 3, 5), b.constant(factor * factor))

    def mean_of_channels(self, planes: str, c: int) -> str:
        """One after another, as NumPy adds them: in what is flat, the last bit decides."""
        b = self.b
        channels = [b.op("Squeeze", b.slice(planes, 1, i, i + 1), b.ints(1)) for i in range(c)]
        total = channels[0]
        for channel in channels[1:]:
            total = b.op("Add", total, channel)
        return b.op("Div", total, b.constant(c))

    def spread(self, values: str, axis: int, *, keep: bool = False) -> str:
        b = self.b
        away = b.op("Sub", values, b.reduce("Mean", values, axis, keep=True))
        return b.op("Sqrt", b.reduce("Mean", b.op("Mul", away, away), axis, keep=keep))

    def log(self, values: str, more: float) -> str:
        return self.b.op("Log", self.b.op("Add", values, self.b.constant(more)))

    def share_below(self, values: str, *axes: int) -> str:
        b = self.b
        below = b.cast(b.op("Less", values, b.constant(FLAT)))
        share = b.reduce("Mean", below, *axes)
        return b.op("Unsqueeze", share, b.ints(1))

    def flatness(self, gray: str, h: int, w: int) -> list[str]:
        b, parts = self.b, []
        for step in (1, 2, 4):
            if min(h, w) > step:
                across = self.steps(gray, 2, w, step)
                down = self.steps(gray, 1, h, step)
                for one in (across, down):
                    mean = b.op("Unsqueeze", b.reduce("Mean", one, 1, 2), b.ints(1))
                    parts.append(self.log(mean, 1e-3))
                parts.append(self.share_below(across, 1, 2))
        return parts

    def steps(self, values: str, axis: int, length: int, step: int) -> str:
        return self.b.op("Abs", self.differences(values, axis, length, step))

    def differences(self, values: str, axis: int, length: int, step: int = 1) -> str:
        b = self.b
        return b.op("Sub", b.slice(values, axis, step, length), b.slice(values, axis, 0, length - step))

    def opponent(self, planes: str, c: int) -> tuple[str, int]:
        b = self.b
        if c != 3:
            return b.reduce("Mean", planes, 1, keep=True), 1
        matrix = np.array([[1 / 3, 1 / 3, 1 / 3], [0.5, -0.5, 0], [0.25, 0.25, -0.5]], np.float32)
        return b.op("Conv", planes, b.constant(matrix[:, :, None, None])), 3

    def details(self, values: str, c: int, h: int, w: int) -> list[str]:
        b, parts, tiny = self.b, [], _UNIT**2 / 12
        for _ in range(SCALES):
            if min(h, w) < 2:
                break
            down, across = self.differences(values, 2, h), self.differences(values, 3, w)
            for steps in (down, across):
                energy = self.log(b.reduce("Mean", b.op("Mul", steps, steps), 2, 3), tiny)
                few = self.log(b.reduce("Mean", b.op("Abs", steps), 2, 3), _UNIT / 4)
                parts += [energy, b.op("Sub", few, b.op("Mul", energy, b.constant(0.5)))]
            corners = self.differences(down, 3, w)
            parts.append(self.log(b.reduce("Mean", b.op("Mul", corners, corners), 2, 3), tiny))
            values, h, w = self.pooled(values, (c, h, w), 2), h // 2, w // 2
        return parts
