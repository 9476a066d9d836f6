"""From uint8 images to what a net is given: one definition for training, prediction, export and serving."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.data.catalog import Catalog
from striate.data.decoding.pixels import MOST_CHANNELS, Fit, check_fit, check_resize
from striate.data.decoding.windows import PixelWindow
from striate.data.imageset import ImageSet
from striate.data.preparing.choosing import WindowWish
from striate.data.preparing.prepare import prepare
from striate.errors import ArgumentError, ModelFileError
from striate.observer import Progress, silent

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """How images of any size become a net's input: fitted to one size, then (pixel − mean) / std.

    Arguments:
        size: (h, w) in pixels.
        channels: 1 (gray), 3 (RGB) or a number of bands.
        fit: crop, pad or stretch, see `striate.data.decoding.decode.fit_pixels`.
        mean: float32, (c,) for channel means or (c, h, w) for a mean image, in pixel units 0…255.
        std: float32 (c,), in pixel units, positive.
        resize: the shorter side in pixels from which `size` is cut, as published nets want it; None: all that fits.
        window: which values become 0 and 255 in images of more than 8 bits; None where 8 bits are expected.
    """

    size: tuple[int, int]
    channels: int
    fit: Fit
    mean: np.ndarray
    std: np.ndarray
    resize: int | None = None
    window: PixelWindow | None = None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(c, h, w), what the net is given for one image."""
        return (self.channels, *self.size)

    def normalise(self, batch: torch.Tensor) -> torch.Tensor:
        """Return float32 (n, c, h, w) on the batch's device from uint8 or float pixels (n, c, h, w)."""
        import torch

        mean = torch.as_tensor(self.mean, device=batch.device)
        std = torch.as_tensor(self.std, device=batch.device)
        return (batch.float() - mean.reshape(1, self.channels, *(mean.shape[1:] or (1, 1)))) / std.reshape(1, -1, 1, 1)

    def prepare(
        self, catalog: Catalog, progress: Progress = silent, *, keep: bool = True, learning: bool = False
    ) -> ImageSet:
        """Return the catalog's images at this size, unreadable ones left to the ledger.

        Arguments:
            keep: whether they will be wanted again and belong into the cache.
            learning: whether they are to be learned from: then they may have a window of their own.
        """
        return prepare(
            catalog, self.size, self.fit, self.channels, progress=progress, keep=keep, resize=self.resize,
            window=self.window_for(learning),
        )  # fmt: skip

    def window_for(self, learning: bool) -> WindowWish:
        """Return the window that images get: this one, or where they are learned from and there is none, their own."""
        return "choose" if learning and self.window is None else self.window

    def to_json(self) -> dict[str, Any]:
        """Return what describes it, without the arrays."""
        described = {"size": list(self.size), "channels": self.channels, "fit": self.fit}
        described |= {"resize": self.resize} if self.resize else {}
        return described | ({"window": self.window.to_json()} if self.window else {})

    def at(self, size: tuple[int, int]) -> Preprocessing:
        """Return the same for another size (h, w), cutting about the same share of the images."""
        if self.mean.ndim == 3 and size != self.size:
            raise ArgumentError(f"a mean image of {self.size[0]}×{self.size[1]} pixels fits no other size; got {size}")
        resize = self.resize and round(self.resize * max(size) / max(self.size))
        return replace(self, size=size, resize=resize)

    @classmethod
    def from_parts(cls, description: dict[str, Any], mean: np.ndarray, std: np.ndarray) -> Preprocessing:
        """Return the preprocessing of a saved model.

        Raises:
            ModelFileError: a size, channel count or shape that cannot be.
        """
        try:
            height, width = (int(x) for x in description["size"])
            channels, fit = int(description["channels"]), check_fit(description["fit"])
            resize = check_resize(description.get("resize"), (height, width), fit)
            window = PixelWindow.from_json(description["window"]) if "window" in description else None
        except (KeyError, TypeError, ValueError, ArgumentError):
            raise ModelFileError(
                "the preprocessing must say size, channels and fit, and perhaps resize and window"
            ) from None
        sane = 1 <= height <= 16384 and 1 <= width <= 16384 and 1 <= channels <= MOST_CHANNELS
        sane = sane and (window is None or len(window.low) in (1, channels))
        shapes = mean.shape in ((channels,), (channels, height, width)) and std.shape == (channels,)
        if not (sane and shapes and np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
            raise ModelFileError(
                f"the preprocessing does not fit together: size {height}×{width}, {channels} channels, fit {fit!r}, "
                f"mean {mean.shape}, std {std.shape}"
            )
        return cls((height, width), channels, fit, mean.astype(np.float32), std.astype(np.float32), resize, window)


def measure(pixels: np.ndarray, rows: np.ndarray, subtract: str, fit: Fit, block: int = 1024) -> Preprocessing:
    """Return the preprocessing of the training images: exact sums in blocks that fit in memory.

    Arguments:
        pixels: uint8 (N, h, w, c), perhaps memory-mapped.
        rows: int (n,), which of them are training images.
        subtract: "channel" (the mean of each channel), "image" (the mean image) or "none" (nothing; std is 255).
        fit: how images of other sizes are fitted later.
    """
    n, (h, w, c) = len(rows), pixels.shape[1:]
    if subtract == "none":
        return Preprocessing((h, w), c, fit, np.zeros(c, np.float32), np.full(c, 255, np.float32))
    total, squares = np.zeros((h, w, c), np.uint64), np.zeros(c, np.uint64)
    for start in range(0, n, block):
        part = pixels[rows[start : start + block]]
        total += part.sum(0, dtype=np.uint64)
        for k in range(c):
            squares[k] += np.bincount(part[..., k].ravel(), minlength=256).astype(np.uint64) @ _SQUARES
    count = n * h * w
    mean = total.sum((0, 1)) / count
    # A channel that never varies carries nothing; dividing by one pixel unit keeps it finite.
    std = np.sqrt(np.maximum(squares / count - mean**2, 1.0))
    subtracted = (total / n).transpose(2, 0, 1) if subtract == "image" else mean
    return Preprocessing((h, w), c, fit, subtracted.astype(np.float32), std.astype(np.float32))


_SQUARES = np.arange(256, dtype=np.uint64) ** 2
