"""Decoding ahead of whoever looks at the images: in threads or processes, in order, a bounded number at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.data.decoding.decode import WAYS
from striate.data.decoding.fitted import decode_to
from striate.data.decoding.pixels import Fit
from striate.data.decoding.quiet import QUIET
from striate.data.decoding.windows import PixelWindow
from striate.data.lineup import Lineup
from striate.data.preparing.processes import decoding_processes
from striate.errors import DecodingError
from striate.system.devices import usable_cpus

# Decoded images that wait to be looked at.
_WAITING_BYTES = 64 << 20
# From so many pixels on most of the work is done outside of Python's lock, and threads pay.
_HEAVY_PX = 10_000
_MOST_WORKERS, _WAITING_WORKERS = 16, 4
# Images that a thread takes at a time; and of the first ones, by which the number of threads is decided.
_AT_A_TIME, _FIRST = 64, 8
# From so many small images on it pays to start processes, which takes a second or two; images that one takes at a time.
_MANY, _BY_PROCESS = 20_000, 256


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

    What waits is bounded by its bytes, whatever the number of images. Close the generator to stop the threads; of many
    small images, where threads would only wait for each other, processes take their place.

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
    """Yield the images in units of what is decoded at a time; the first one says by whom the others are."""
    stop = threading.Event()
    areas: list[int] = []

    def decode_all(part: Sequence[int]) -> _Unit:
        return [(row, _image(lineup, row, shape, areas)) for row in part if not stop.is_set()]

    wall_s, busy_s = time.perf_counter(), time.thread_time()
    first = decode_all(rows[:_FIRST])
    waited = time.perf_counter() - wall_s > 2 * (time.thread_time() - busy_s)
    heavy = bool(areas) and float(np.median(areas)) >= _HEAVY_PX
    yield first
    rest = rows[_FIRST:]
    if not (heavy or waited) and len(rest) >= _MANY and isinstance(lineup.ways[rows[0]], WAYS):
        yield from _by_processes(lineup, rest, shape, decode_all)
        return
    workers = _workers(heavy, waited)
    image_bytes = max(1, shape.size[0] * shape.size[1] * shape.channels)
    size = max(1, min(_AT_A_TIME, _WAITING_BYTES // image_bytes // (3 * workers)))
    most = max(workers + 1, min(8 * workers, _WAITING_BYTES // (size * image_bytes)))
    pending: deque[Future[_Unit]] = deque()
    with ThreadPoolExecutor(workers, "striate-decode") as pool:
        try:
            for start in range(0, len(rest), size):
                areas.clear()
                pending.append(pool.submit(decode_all, rest[start : start + size]))
                if len(pending) >= most:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _by_processes(
    lineup: Lineup, rows: Sequence[int], shape: Shape, here: Callable[[Sequence[int]], _Unit]
) -> Generator[_Unit]:
    """Yield units that other processes decode: of small images most of the work is done under Python's lock.

    Arguments:
        here: decodes a unit in this process, where there can be no others or one of them was killed.
    """
    image_bytes = max(1, shape.size[0] * shape.size[1] * shape.channels)
    size = max(1, min(_BY_PROCESS, _WAITING_BYTES // image_bytes // (4 * usable_cpus())))
    parts = [range(start, min(start + size, len(rows))) for start in range(0, len(rows), size)]
    pending: deque[tuple[Sequence[int], Any]] = deque()
    with decoding_processes(min(usable_cpus(), _MOST_WORKERS)) as submit:
        for part in parts:
            unit = [rows[i] for i in part]
            open_ = [row for row in unit if row not in lineup.refused]
            pending.append((unit, submit(decode_ways, [lineup.ways[row] for row in open_], shape)))
            if len(pending) > 2 * usable_cpus():
                yield _gathered(lineup, *pending.popleft(), here)
        while pending:
            yield _gathered(lineup, *pending.popleft(), here)


def decode_ways(ways: Sequence[Any], shape: Shape) -> tuple[np.ndarray, dict[int, str]]:
    """Return the pixels of images as one array, and why others have none, by their places."""
    with QUIET:
        made = [_decoded(way, shape, []) for way in ways]
    refused = {i: one for i, one in enumerate(made) if isinstance(one, str)}
    return _stacked([one for one in made if not isinstance(one, str)], shape), refused


def _gathered(lineup: Lineup, unit: Sequence[int], answer: Any, here: Callable[[Sequence[int]], _Unit]) -> _Unit:
    """Return the images of a unit with what was refused among them."""
    got = answer()
    if got is None:
        return here(unit)
    pixels, refused = got
    made: _Unit = []
    place = at = 0
    for row in unit:
        if row in lineup.refused:
            made.append((row, lineup.refused[row]))
            continue
        if place in refused:
            made.append((row, refused[place]))
        else:
            made.append((row, pixels[at]))
            at += 1
        place += 1
    return made


def _workers(heavy: bool, waited: bool) -> int:
    """Return how many threads pay: as many as processors for heavy work, more where the first images had to wait."""
    return min(_MOST_WORKERS, max(_WAITING_WORKERS if waited else 1, usable_cpus() if heavy else 1))


def _image(lineup: Lineup, row: int, shape: Shape, areas: list[int]) -> np.ndarray | str:
    """Return the pixels of an image as the model wants them, or why there are none."""
    return lineup.refused[row] if row in lineup.refused else _decoded(lineup.ways[row], shape, areas)


def _decoded(way: Any, shape: Shape, areas: list[int]) -> np.ndarray | str:
    try:
        pixels, decoded = decode_to(way, shape, shape.window)
    except DecodingError as error:
        return str(error)
    areas.append(decoded.pixels.shape[0] * decoded.pixels.shape[1])
    return pixels


def _stacked(pixels: list[np.ndarray], shape: Shape) -> np.ndarray:
    return np.stack(pixels) if pixels else np.zeros((0, *shape.size, shape.channels), np.uint8)
