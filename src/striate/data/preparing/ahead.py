"""Decoding ahead of whoever looks at the images: in threads of its own, in order, a bounded number at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from striate.data.decoding.decode import decode
from striate.data.decoding.pixels import Fit, check_convertible, fit_pixels, to_channels
from striate.data.decoding.quiet import QUIET
from striate.data.decoding.windows import PixelWindow
from striate.data.lineup import Lineup
from striate.errors import DecodingError
from striate.system.devices import usable_cpus

# Decoded images that wait to be looked at.
_WAITING_BYTES = 64 << 20
# From so many pixels on most of the work is done outside of Python's lock, and threads pay.
_HEAVY_PX = 10_000
_MOST_WORKERS, _WAITING_WORKERS = 16, 4
# Images that a thread takes at a time; and of the first ones, by which the number of threads is decided.
_AT_A_TIME, _FIRST = 64, 8


@dataclass(frozen=True)
class Shape:
    """What every image is brought to: the parts of a model's preprocessing that concern pixels."""

    size: tuple[int, int]
    channels: int
    fit: Fit
    resize: int | None = None
    window: PixelWindow | None = None


@dataclass(frozen=True, eq=False)
class DecodedBlock:
    """Some images in a row.

    Arguments:
        rows: where they are in the lineup, in order, those that cannot be read among them.
        pixels: uint8 (m, h, w, c) of those that can be read.
        refused: {row: why} of the others.
    """

    rows: Sequence[int]
    pixels: np.ndarray
    refused: dict[int, str]


def decoded_blocks(lineup: Lineup, rows: Sequence[int], shape: Shape, block: int) -> Generator[DecodedBlock]:
    """Yield the images at `rows`, decoded, in blocks; threads work ahead while the caller looks at a block.

    What waits is bounded by its bytes, whatever the number of images. Close the generator to stop the threads.

    Arguments:
        rows: places in the lineup, in the order that is wanted.
        block: how many images to a block.
    """
    taken: list[int] = []
    pixels: list[np.ndarray] = []
    refused: dict[int, str] = {}
    with QUIET, closing(_units(lineup, rows, shape)) as units:
        for unit in units:
            for row, image in unit:
                taken.append(row)
                if isinstance(image, str):
                    refused[row] = image
                else:
                    pixels.append(image)
                if len(taken) == block:
                    yield DecodedBlock(taken, _stacked(pixels, shape), refused)
                    taken, pixels, refused = [], [], {}
        if taken:
            yield DecodedBlock(taken, _stacked(pixels, shape), refused)


_Unit = list[tuple[int, np.ndarray | str]]


def _units(lineup: Lineup, rows: Sequence[int], shape: Shape) -> Generator[_Unit]:
    """Yield the images in units of what a thread decodes at a time; the first one says how many threads there are."""
    stop = threading.Event()
    areas: list[int] = []

    def decode_all(part: Sequence[int]) -> _Unit:
        return [(row, _image(lineup, row, shape, areas)) for row in part if not stop.is_set()]

    wall_s, busy_s = time.perf_counter(), time.thread_time()
    first = decode_all(rows[:_FIRST])
    waited = time.perf_counter() - wall_s > 2 * (time.thread_time() - busy_s)
    heavy = bool(areas) and float(np.median(areas)) >= _HEAVY_PX
    yield first
    image_bytes = max(1, shape.size[0] * shape.size[1] * shape.channels)
    with ThreadPoolExecutor(_workers(heavy, waited), "striate-decode") as pool:
        workers = _workers(heavy, waited)
        size = max(1, min(_AT_A_TIME, _WAITING_BYTES // image_bytes // (3 * workers)))
        most = max(workers + 1, min(8 * workers, _WAITING_BYTES // (size * image_bytes)))
        pending: deque[Future[_Unit]] = deque()
        try:
            for start in range(_FIRST, len(rows), size):
                areas.clear()
                pending.append(pool.submit(decode_all, rows[start : start + size]))
                if len(pending) >= most:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _workers(heavy: bool, waited: bool) -> int:
    """Return how many threads pay: as many as processors for heavy work, more where the first images had to wait."""
    return min(_MOST_WORKERS, max(_WAITING_WORKERS if waited else 1, usable_cpus() if heavy else 1))


def _image(lineup: Lineup, row: int, shape: Shape, areas: list[int]) -> np.ndarray | str:
    """Return the pixels of an image as the model wants them, or why there are none."""
    if row in lineup.refused:
        return lineup.refused[row]
    try:
        pixels = decode(lineup.ways[row], shape.window, shape.channels).pixels
        check_convertible(pixels, shape.channels)
    except DecodingError as error:
        return str(error)
    areas.append(pixels.shape[0] * pixels.shape[1])
    return to_channels(fit_pixels(pixels, shape.size, shape.fit, shape.resize), shape.channels)


def _stacked(pixels: list[np.ndarray], shape: Shape) -> np.ndarray:
    return np.stack(pixels) if pixels else np.zeros((0, *shape.size, shape.channels), np.uint8)
