"""Many numbers as text: float32, rounded to so many bits, deflated, base64."""

from __future__ import annotations

import base64
import zlib

import numpy as np

# The bits behind the point that float32 has.
EXACT_BITS = 23
# Arrays up to this length are never rounded: they cost nothing.
SMALL = 5000


def round_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Return float32 values to the nearest number with `bits` bits behind the point (of 23), ties to even.

    The error is at most 2^−(bits + 1) of each value.

    >>> round_bits(np.array([1.0009765625, 3.0], np.float32), 8).tolist()
    [1.0, 3.0]
    """
    spare = EXACT_BITS - bits
    exact = np.ascontiguousarray(values, np.float32)
    if spare <= 0:
        return exact
    whole = exact.view(np.uint32).astype(np.uint64)
    odd = (whole >> np.uint64(spare)) & np.uint64(1)
    near = (whole + np.uint64((1 << (spare - 1)) - 1) + odd) >> np.uint64(spare) << np.uint64(spare)
    result = near.astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(result), result, exact)


def to_text(values: np.ndarray) -> str:
    """Return float32 (n,) as base64 of its four byte planes, deflated; the page's `Engine.decode` reads it.

    >>> from_text(to_text(np.array([0.5, -2], np.float32))).tolist()
    [0.5, -2.0]
    """
    planes = np.ascontiguousarray(values, "<f4").view(np.uint8).reshape(-1, 4).T
    return base64.b64encode(zlib.compress(np.ascontiguousarray(planes).tobytes(), 9)).decode()


def from_text(text: str) -> np.ndarray:
    """Return the float32 (n,) that `to_text` wrote."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(4, -1)
    return np.ascontiguousarray(planes.T).view("<f4").ravel()


class Store:
    """Arrays one behind the other, each found by [offset, count]."""

    def __init__(self, bits: int):
        self.bits = bits
        self._parts: list[np.ndarray] = []
        self._count = 0

    def add(self, values: np.ndarray, *, exact: bool = False) -> list[int]:
        """Keep an array, rounded where it is long unless it must be `exact`, and return where it lies."""
        flat = np.ascontiguousarray(values, np.float32).ravel()
        self._parts.append(flat if exact or flat.size <= SMALL else round_bits(flat, self.bits))
        place = [self._count, flat.size]
        self._count += flat.size
        return place

    @property
    def values(self) -> np.ndarray:
        """Everything that was kept, float32 (n,)."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0, np.float32)
