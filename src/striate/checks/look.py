"""Every readable image once: what its file is, and how it looks, judged at the size that it really has."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from striate.checks.appearance import FIGURES, LOOKED_AT_PX, look_at_pixels
from striate.data.catalog import Catalog
from striate.data.decoding.decode import WAYS, Header, array_header, decode, probe, read_bytes
from striate.data.decoding.formats import format_of
from striate.data.decoding.paging import file_and_page
from striate.data.decoding.pixels import fit_pixels
from striate.data.decoding.quiet import QUIET
from striate.data.imageset import ImageSet
from striate.data.preparing.parallel import in_order
from striate.errors import DecodingError
from striate.observer import Progress, silent

_BATCH, _LIGHT_PX = 64, 10_000
_AT_ONCE_BYTES = 8 << 20


@dataclass(frozen=True, eq=False)
class Appearance:
    """What n images are and how they look.

    Arguments:
        figures: float32 (n, 15), the columns that `FIGURES` names.
        heights, widths: int64 (n,), in pixels, before anything was resized.
        channels: int64 (n,), likewise.
        formats: (n,) JPEG, PNG…; "array" of what is no file.
    """

    figures: np.ndarray
    heights: np.ndarray
    widths: np.ndarray
    channels: np.ndarray
    formats: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        if name == "contrast":
            return self["top"] - self["bottom"]
        return self.figures[:, FIGURES.index(name)]

    def __len__(self) -> int:
        return len(self.figures)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file's format and header, and its figures (15,) where it had to be decoded for them."""

    format: str
    header: Header
    figures: np.ndarray | None = None


def look_at_images(catalog: Catalog, images: ImageSet, progress: Progress = silent) -> Appearance:
    """Return what the images of a set are and how they look.

    Those that were prepared as they are, such as small ones of one size, are not decoded again.

    Arguments:
        images: those of the catalog that can be read, prepared.
        progress: told how far it is.
    """
    if isinstance(catalog.images, np.ndarray):
        header = array_header(catalog.images[0])
        seen = [_Seen("array", header)] * len(images)
    else:
        place = {name: i for i, name in enumerate(catalog.names)}
        sources = [catalog.images[place[name]] for name in images.names]
        with QUIET:
            seen = _see(sources, images.image_shape[:2], progress)
    figures = np.empty((len(images), len(FIGURES)), np.float32)
    as_prepared = np.array([one.figures is None for one in seen], bool)
    for i in np.flatnonzero(~as_prepared):
        figures[i] = seen[i].figures
    _look_at_prepared(images, np.flatnonzero(as_prepared), figures)
    return Appearance(
        figures,
        np.array([one.header.height for one in seen], np.int64),
        np.array([one.header.width for one in seen], np.int64),
        np.array([one.header.channels for one in seen], np.int64),
        np.array([one.format for one in seen], str),
    )


def _see(sources: Sequence[Any], prepared: tuple[int, int], progress: Progress) -> list[_Seen]:
    """Look at every source: its header, and its pixels unless they were prepared as they are.

    Values of more than 8 bits are judged as they were prepared, through the window of the whole set.
    """

    def see(source: Any) -> _Seen:
        page, kind = 0, "array"
        if isinstance(source, WAYS):
            file, page = file_and_page(source)
            try:
                source = read_bytes(file)
            except DecodingError:  # gone since it was prepared
                return _Seen("", Header(*prepared, 3))
            kind = format_of(source)
        try:
            header = array_header(source) if isinstance(source, np.ndarray) else probe(source, page)
            if (header.height, header.width) == prepared or header.wide:
                return _Seen(kind, header)
            return _Seen(kind, header, look_at_pixels(_at_most(decode(source, page=page).pixels)[None])[0])
        except DecodingError:
            return _Seen(kind, Header(*prepared, 3))

    seen: list[_Seen] = []
    heavy = prepared[0] * prepared[1] >= _LIGHT_PX
    with closing(in_order(see, sources, _BATCH, heavy=heavy)) as batches:
        for batch in batches:
            seen += batch
            progress("looking", len(seen), len(sources))
    return seen


def _at_most(pixels: np.ndarray) -> np.ndarray:
    """Return an image uint8 (h, w, c) with no more than `LOOKED_AT_PX` along its shorter side."""
    height, width = pixels.shape[:2]
    scale = LOOKED_AT_PX / min(height, width)
    if scale >= 1:
        return pixels
    return fit_pixels(pixels, (max(1, round(height * scale)), max(1, round(width * scale))), "stretch")


def _look_at_prepared(images: ImageSet, positions: np.ndarray, figures: np.ndarray) -> None:
    """Fill the figures of the images at `positions` in, from the pixels that were prepared."""
    at_once = max(1, _AT_ONCE_BYTES // int(np.prod(images.image_shape)))
    for start in range(0, len(positions), at_once):
        part = positions[start : start + at_once]
        figures[part] = look_at_pixels(images.pixels[images.rows[part]])
