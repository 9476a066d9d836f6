"""One window for a whole set: which values of deep images become 0 and 255.

Images of more than 8 bits are brought to 8 by one window for all of them, chosen from the training images and kept in
the model: what tells classes apart may be the level itself, and an image scaled by itself has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.errors import ArgumentError

# Of an image so many values at either end, and at least one, may be hot or dead pixels.
TRIMMED_SHARE = 0.001
# Of the images so many at either end may be odd ones: they widen the window by its own width at most.
ODD_SHARE = 0.02
# A set that uses this share of a 16-bit container has all of it for its scale, as pictures have; of 0…1, this.
FULL_SHARE, UNIT_SHARE = 0.5, 0.25
# Floats in 0…255 that spread so far may be rounded to bytes.
BYTES_SPREAD = 64.0
# A band that would keep less than this share of the levels of all gets a window of its own.
OWN_SHARE = 0.25
# With fewer levels than this the user is told.
FEW_LEVELS = 32
# A filling value such as −9999 stays apart from what was measured by this share of the window.
FILLING_MARGIN = 1 / 32
# Values of at most so many images choose a window.
MOST_SAMPLES = 256
_LOOKED_AT_PX = 1 << 16
# Of fewer pixels than this none can be called odd.
_FEW_PIXELS = 64
_STRIP = 1 << 22


@dataclass(frozen=True, slots=True)
class PixelWindow:
    """What becomes 0 and 255, in the units of the original values; what lies outside is clipped.

    Arguments:
        kind: of values: uint16, int32, float32…
        low, high: one number for all bands, or one each.
    """

    kind: str
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __str__(self) -> str:
        if len(self.low) == 1:
            return f"{self.low[0]:.6g} … {self.high[0]:.6g}"
        return f"{min(self.low):.6g} … {max(self.high):.6g} in {len(self.low)} bands, each its own part"

    @property
    def full(self) -> bool:
        """Whether it is the whole scale of a 16-bit container."""
        return self.low == (0.0,) and self.high == (65535.0,)

    @property
    def takes_bytes(self) -> bool:
        """Whether it is a whole scale, of which 8-bit pictures are a coarser copy."""
        return self.low == (0.0,) and self.high in ((1.0,), (255.0,), (65535.0,))

    @property
    def levels(self) -> float:
        """How many different bytes can come of it, at the narrowest band."""
        spread = min(high - low for low, high in zip(self.low, self.high, strict=True))
        return 256.0 if self.kind.startswith("float") else min(256.0, spread + 1)

    def applied(self, values: np.ndarray) -> np.ndarray:
        """Return uint8 of values (…, c): low becomes 0, high 255, linearly between, rounded."""
        low, high = np.array(self.low), np.array(self.high)
        made = np.empty(values.shape, np.uint8)
        for part, into in zip(_strips(values), _strips(made), strict=True):
            unit = (part.astype(np.float64) - low) / (high - low)
            into[...] = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
        return made

    def outside(self, values: np.ndarray, widths: float = 0.5) -> float:
        """Return the share of values (…, c) beyond the window by more than so many of its widths."""
        low, high = np.array(self.low), np.array(self.high)
        margin = (high - low) * widths
        beyond = sum(int(((part < low - margin) | (part > high + margin)).sum()) for part in _strips(values))
        return beyond / max(1, values.size)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": self.kind, "low": list(self.low), "high": list(self.high)}

    @classmethod
    def from_json(cls, kept: Any) -> PixelWindow:
        """Return the window that was kept.

        Raises:
            ArgumentError: it is none.
        """
        try:
            low, high = (tuple(float(x) for x in kept[end]) for end in ("low", "high"))
            window = cls(str(kept["kind"]), low, high)
            sane = (
                len(low) > 0 and all(a < b for a, b in zip(low, high, strict=True)) and np.isfinite([low, high]).all()
            )
        except (TypeError, KeyError, ValueError):
            window, sane = None, False
        if window is None or not sane:
            raise ArgumentError(f"a window must have a kind, low and high, low below high; got {kept!r}")
        return window


def choose_window(
    samples: Sequence[np.ndarray], tops: Sequence[float | None] = (), ends: tuple[float, float] | None = None
) -> PixelWindow:
    """Return the window for images of which these are some.

    The whole scale where the images use it as pictures do (0…255 in whole numbers, 0…1, half of a 16-bit container);
    else from the least to the greatest value, hot and dead pixels, odd images and a filling value (−9999, 65535) aside;
    for each band its own where one for all would leave a band few levels.

    Arguments:
        samples: values (h, w, c) of each, all finite.
        tops: the greatest value that the container of each can hold, 4095 or 65535; None where it says no more than
            its type.
        ends: the least and the greatest value of all images, where they are known.
    """
    kind = str(np.result_type(*(sample.dtype for sample in samples)))
    least, most = ends or _extremes(samples)
    low, high = _ends(samples)
    if measured := _measured(samples, float(low.min()), float(high.max())):
        samples = measured
        least, most = _extremes(samples)
        low, high = _ends(samples)
        margin = FILLING_MARGIN * float((high - low).max())
        low, high = low - margin, high + margin
    elif whole := _whole_scale(samples, (least, most), float((high - low).max()), tops):
        return PixelWindow(kind, (0.0,), (whole,))
    joint_low, joint_high = float(low.min()), float(high.max())
    spread = joint_high - joint_low
    if not spread > 0:  # flat but for what was trimmed
        joint_low, joint_high = least, most if most > least else least + 1
    elif (high - low < OWN_SHARE * spread).any() and len(low) > 1:
        high = np.where(high > low, high, low + spread)  # a band that is flat carries nothing
        return PixelWindow(kind, tuple(low.tolist()), tuple(high.tolist()))
    return PixelWindow(kind, (joint_low,), (joint_high,))


def _extremes(samples: Sequence[np.ndarray]) -> tuple[float, float]:
    return min(float(one.min()) for one in samples), max(float(one.max()) for one in samples)


def _measured(samples: Sequence[np.ndarray], low: float, high: float) -> list[np.ndarray] | None:
    """Return the samples without their filling values; None where they have none.

    A filling value is written where nothing was measured: one value at an end, so far from all others that a window
    which holds it leaves these few levels.
    """
    total = sum(one.size for one in samples)
    for values in ((low,), (high,), (low, high)):
        if any(sum(int((one == value).sum()) for one in samples) < TRIMMED_SHARE * total for value in values):
            continue
        within = [((one > low) | (low not in values)) & ((one < high) | (high not in values)) for one in samples]
        rest = [one[inside.all(-1)][:, None] for one, inside in zip(samples, within, strict=True)]
        rest = [one for one in rest if len(one)]
        if sum(map(len, rest)) < _FEW_PIXELS:
            continue
        least, most = _ends(rest)
        spread = float(most.max() - least.min())
        if 0 < spread < FEW_LEVELS / 256 * (high - low):
            return rest
    return None


def _strips(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield views of values (…, c), of so many numbers that floats of them take little memory."""
    rows = max(1, _STRIP // max(1, values[:1].size)) if values.ndim > 1 else _STRIP
    for start in range(0, len(values), rows):
        yield values[start : start + rows]


def thinned(values: np.ndarray) -> np.ndarray:
    """Return (m, 1, c): enough of the pixels (h, w, c) of an image to choose a window by, in their order."""
    flat = values.reshape(-1, 1, values.shape[-1])
    return np.ascontiguousarray(flat[:: max(1, len(flat) // _LOOKED_AT_PX)])


def samples_of(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return enough values of some images of each part (n, h, w, c) to choose a window by."""
    each = max(1, MOST_SAMPLES // max(1, len(parts)))
    some = (part[np.unique(np.linspace(0, len(part) - 1, each).astype(np.int64))] for part in parts if len(part))
    return [thinned(image) for images in some for image in images]


def _whole_scale(
    samples: Sequence[np.ndarray], ends: tuple[float, float], spread: float, tops: Sequence[float | None]
) -> float | None:
    """Return 255, 1 or 65535 where that is the scale of these values; None where they have their own."""
    least, most = ends
    floats = samples[0].dtype.kind == "f"
    if floats and least >= -1e-6 and most <= 1 + 1e-6 and (spread >= UNIT_SHARE or most == least):
        return 1.0
    if least >= 0 and most <= 255:
        whole = not floats or all((one == np.rint(one)).all() for one in samples)
        if (whole and most > 1) or spread >= BYTES_SPREAD:
            return 255.0
    known = [top for top in tops if top]
    if not floats and known and least >= 0 and most <= max(known) and spread >= FULL_SHARE * min(known):
        return 65535.0
    return None


def _ends(samples: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest value of each band, float64 (c,), robust to odd pixels and odd images."""
    lows, highs = zip(*(_trimmed(sample) for sample in samples), strict=True)
    return _robust(np.stack(lows), np.stack(highs))


def _trimmed(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = thinned(values)[:, 0]
    drop = max(1, round(TRIMMED_SHARE * len(flat))) if len(flat) >= _FEW_PIXELS else 0
    ordered = np.partition(flat, (drop, len(flat) - 1 - drop), axis=0)
    return ordered[drop].astype(np.float64), ordered[len(flat) - 1 - drop].astype(np.float64)


def _robust(lows: np.ndarray, highs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    core_low, core_high = np.quantile(lows, ODD_SHARE, axis=0), np.quantile(highs, 1 - ODD_SHARE, axis=0)
    width = np.maximum(core_high - core_low, 0)
    return np.maximum(lows.min(0), core_low - width), np.minimum(highs.max(0), core_high + width)
