"""Preparing: decode every image once, at one size, into memory or into a memory-mapped file kept for the next run."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL

from striate.data.catalog import Catalog
from striate.data.decoding.decode import FILES, QUIET, Header, decode, probe, read_bytes
from striate.data.decoding.pixels import (
    Fit,
    check_fit,
    check_resize,
    check_size,
    fit_pixels,
    pixel_hash,
    pixel_hashes,
    to_channels,
)
from striate.data.decoding.stored import Stored
from striate.data.imageset import ImageSet
from striate.data.ledger import Entry, Ledger
from striate.data.preparing import cache
from striate.data.preparing.cache import Prepared
from striate.data.preparing.parallel import in_order
from striate.data.preparing.writing import MemoryWriter, Writer, open_writer
from striate.errors import ArgumentError, DataError, DecodingError
from striate.observer import Progress, silent
from striate.system.cache import cache_folder

DECODER_VERSION = 1
DEFAULT_SIDE_PX = 128
LARGE_SIDE_PX, LARGE_TO_PX = 512, 224
_BATCH, _BATCH_PX, _HEAVY_PX = 64, 4_000_000, 10_000
_RACY_NS = 2_000_000_000
_PASSING_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Target:
    """What every image becomes: (height, width) in pixels, how it is fitted, its channels, what it is cut from."""

    size: tuple[int, int]
    fit: Fit
    channels: int
    resize: int | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(h, w, c)."""
        return *self.size, self.channels


def prepare(
    catalog: Catalog,
    size: tuple[int, int] | None = None,
    fit: Fit = "crop",
    channels: int | None = None,
    cache_dir: Path | None = None,
    progress: Progress = silent,
    *,
    keep: bool = True,
    resize: int | None = None,
) -> ImageSet:
    """Decode the images of a catalog to one size.

    Files go into the cache: a second call with the same files decodes nothing, and the same content at another place
    only has to be read. Arrays of one size are used as they are, without a copy.

    Arguments:
        catalog: what a source holds.
        size: (height, width) in pixels; None leaves images of one size alone unless their shorter side is over
            512 px, and takes a square of the median shorter side, at most 128 px, where sizes differ.
        fit: "crop", "pad" or "stretch", where the size changes.
        channels: 1 or 3; None is 1 if every image is gray, else 3.
        cache_dir: where prepared files are kept; None is `prepared` in the cache.
        progress: told how far it is.
        keep: whether the next run will want these files again; if not, a small set stays out of the cache.
        resize: shorter side in pixels from which `size` is cut, as published nets want it; with a size only.

    Returns:
        An `ImageSet` without the images that cannot be decoded; `ledger` says which and why, `notes` what was chosen.

    Raises:
        DataError: there are no images, or none of them can be decoded.
        StorageError: the cache's disk is full.
        ArgumentError: size, fit, channels or resize are none.
    """
    size = None if size is None else check_size(size)
    check_fit(fit)
    if resize is not None:
        check_resize(resize, size or (resize + 1, resize + 1), fit)
    if channels not in (None, 1, 3):
        raise ArgumentError(f"channels must be 1 (gray) or 3 (RGB); got {channels!r}")
    if not len(catalog):
        raise DataError(f"nothing to prepare: {catalog.source} holds no images")
    wish = _Wish(size, fit, channels, resize)
    if isinstance(catalog.images, np.ndarray) and (whole := _as_they_are(catalog.images, wish)) is not None:
        return _image_set(catalog, Prepared(whole, pixel_hashes(whole)))
    with QUIET:
        passing = not keep and size is not None and len(catalog) * size[0] * size[1] * 3 <= _PASSING_BYTES
        if not passing and all(isinstance(image, FILES) for image in catalog.images):
            made = _prepare_files(catalog, wish, cache_dir or cache_folder("prepared"), progress)
        else:
            made = _prepare_objects(catalog, wish, progress)
    return _image_set(catalog, made)


class _Wish(NamedTuple):
    """What `prepare` was asked for."""

    size: tuple[int, int] | None
    fit: Fit
    channels: int | None
    resize: int | None


def _prepare_files(catalog: Catalog, wish: _Wish, cache_dir: Path, progress: Progress) -> Prepared:
    paths = [Path(image) if isinstance(image, str) else image for image in catalog.images]
    state = _state(paths, wish)
    if state and (made := cache.recall_content(cache_dir, state)):
        return made
    scan = _scan(paths, catalog, progress)
    target, notes = _target(scan.headers, wish)
    key = _key(scan, target)
    made = cache.load(cache_dir, key)
    if made is None:
        writer, remark = open_writer(cache_dir, key, len(scan.headers) - len(scan.skipped), target.image_shape)
        made = _decode_into(writer, paths, scan, target, catalog, progress)
        notes += remark
    if state:
        cache.remember_content(cache_dir, key, state, notes)
    return Prepared(made.pixels, made.hashes, made.skipped, made.repaired, notes)


def _prepare_objects(catalog: Catalog, wish: _Wish, progress: Progress) -> Prepared:
    scan = _scan(catalog.images, catalog, progress)
    target, notes = _target(scan.headers, wish)
    writer = MemoryWriter(len(scan.headers) - len(scan.skipped), target.image_shape)
    made = _decode_into(writer, catalog.images, scan, target, catalog, progress)
    return Prepared(made.pixels, made.hashes, made.skipped, made.repaired, notes)


def _as_they_are(images: np.ndarray, wish: _Wish) -> np.ndarray | None:
    """Return the array itself if nothing is to be changed about it."""
    size, channels = wish.size, wish.channels
    if wish.resize is not None:
        return None
    images = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        return None
    h, w, c = images.shape[1:]
    right_size = size == (h, w) or (size is None and min(h, w) <= LARGE_SIDE_PX)
    return images if right_size and channels in (None, c) else None


@dataclass(frozen=True, slots=True)
class _Scan:
    """What the headers say: one Header or None, and one digest of the content, for each source."""

    headers: list[Header | None]
    digests: list[bytes]
    skipped: dict[int, str]


def _scan(sources: Sequence[Any] | np.ndarray, catalog: Catalog, progress: Progress) -> _Scan:
    """Read every source once: header, digest, and the reason where it cannot be decoded."""

    def look(source: Any) -> tuple[Header | None, bytes, str]:
        content = b""
        try:
            content = read_bytes(source) if isinstance(source, FILES) else source
            return probe(content), _digest(content), ""
        except DecodingError as error:
            return None, _digest(content if isinstance(content, bytes) and content else str(error).encode()), str(error)

    scan = _Scan([], [], {})
    with closing(in_order(look, sources, _BATCH, heavy=False)) as batches:
        for batch in batches:
            for header, digest, reason in batch:
                if header is None:
                    scan.skipped[len(scan.headers)] = reason
                scan.headers.append(header)
                scan.digests.append(digest)
            progress("reading", len(scan.headers), len(sources))
    if len(scan.skipped) == len(sources):
        raise _nothing_left(catalog, scan.skipped)
    return scan


def _digest(content: Any) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest() if isinstance(content, bytes) else b""


def _target(headers: Sequence[Header | None], wish: _Wish) -> tuple[Target, tuple[str, ...]]:
    """Choose what was not asked for; see `prepare`."""
    size, fit, channels, resize = wish
    found = [header for header in headers if header]
    sizes = sorted({(header.height, header.width) for header in found}, key=lambda side: (side[0] * side[1], side))
    notes: tuple[str, ...] = ()
    if size is None and len(sizes) == 1 and min(sizes[0]) <= LARGE_SIDE_PX:
        size = sizes[0]
    elif size is None:
        side = min(DEFAULT_SIDE_PX, int(np.median([min(header.height, header.width) for header in found])))
        side = LARGE_TO_PX if len(sizes) == 1 else side
        (low_h, low_w), (high_h, high_w) = sizes[0], sizes[-1]
        what = f"images are {low_h}×{low_w}"
        if len(sizes) > 1:
            what = f"sizes differ ({low_h}×{low_w} … {high_h}×{high_w} pixels, height×width)"
        size, notes = (side, side), (f"{what}; prepared at {side}×{side}; --size changes that",)
    if channels is None:
        channels = max(header.channels for header in found)
    return Target(size, "crop" if sizes == [size] else fit, channels, resize), notes


def _key(scan: _Scan, target: Target) -> str:
    """Return the name of the cache entry: the same for the same content, wherever the files are."""
    versions = [cache.VERSION, DECODER_VERSION, PIL.__version__.split(".")[0]]
    told = [versions, target.image_shape, target.fit, *([target.resize] if target.resize else [])]
    digest = hashlib.blake2b(json.dumps(told).encode(), digest_size=16)
    for part in scan.digests:
        digest.update(part)
    return digest.hexdigest()


def _state(paths: Sequence[Path | Stored], wish: _Wish) -> str | None:
    """Return a digest of what the file system says about the files and of what is wanted; None if they are in flux."""
    digest = hashlib.blake2b(repr((cache.VERSION, DECODER_VERSION, PIL.__version__, wish)).encode(), digest_size=16)
    now_ns = time.time_ns()
    stat = lru_cache(maxsize=16)(Path.stat)  # one question to an archive, not one for each of its images
    for path in paths:
        place = ""
        try:
            if isinstance(path, Stored):
                place = repr(path)
                path, found = path.origin, stat(path.origin)
            else:
                found = path.stat()
        except (OSError, ValueError):
            return None
        times = (found.st_mtime_ns, found.st_ctime_ns)
        # a second change within the clock's grain would go unnoticed
        if any(abs(now_ns - when) < _RACY_NS for when in times):
            return None
        digest.update(
            f"{os.path.abspath(path)}\0{found.st_size} {found.st_ino} {times}\0{place}".encode(
                "utf-8", "surrogateescape"
            )
        )
    return digest.hexdigest()


def _decode_into(
    writer: Writer | MemoryWriter,
    sources: Sequence[Any] | np.ndarray,
    scan: _Scan,
    target: Target,
    catalog: Catalog,
    progress: Progress,
) -> Prepared:
    """Decode every source that is not skipped yet, in order, into `writer`."""

    def work(i: int) -> tuple[int, np.ndarray | None, int, str]:
        source = sources[i]
        try:
            if isinstance(source, FILES):
                source = read_bytes(source)
                if _digest(source) != scan.digests[i]:
                    raise DataError(f"{catalog.names[i]} changed while it was being read; run again")
            decoded = decode(source)
        except DecodingError as error:
            return i, None, 0, str(error)
        pixels = to_channels(fit_pixels(decoded.pixels, target.size, target.fit, target.resize), target.channels)
        return i, pixels, pixel_hash(decoded.pixels), "; ".join(decoded.repairs)

    hashes: list[int] = []
    skipped, repaired = dict(scan.skipped), dict[int, str]()
    todo = [i for i, header in enumerate(scan.headers) if header]
    done = 0
    area_px = max(1, int(np.median([h.height * h.width for h in scan.headers if h])))
    size = max(1, min(_BATCH, _BATCH_PX // area_px))
    with writer, closing(in_order(work, todo, size, heavy=area_px >= _HEAVY_PX)) as batches:
        for batch in batches:
            kept = [(pixels, digest) for _, pixels, digest, _ in batch if pixels is not None]
            if kept:
                writer.append(np.stack([pixels for pixels, _ in kept]))
                hashes += [digest for _, digest in kept]
            skipped |= {i: said for i, pixels, _, said in batch if pixels is None}
            repaired |= {i: said for i, pixels, _, said in batch if pixels is not None and said}
            done += len(batch)
            progress("decoding", done, len(todo))
        if not hashes:
            raise _nothing_left(catalog, skipped)
        made = Prepared(np.empty(0), np.array(hashes, np.uint64), dict(sorted(skipped.items())), repaired)
        return writer.commit(made, catalog.source)


def _nothing_left(catalog: Catalog, skipped: dict[int, str]) -> DataError:
    first = "; ".join(f"{catalog.names[i]}: {skipped[i]}" for i in sorted(skipped)[:3])
    return DataError(f"none of the {len(catalog):,} images of {catalog.source} can be decoded. {first}")


def _image_set(catalog: Catalog, made: Prepared) -> ImageSet:
    kept = np.setdiff1d(np.arange(len(catalog)), np.array(list(made.skipped), np.int64))
    return ImageSet(
        pixels=made.pixels,
        rows=np.arange(len(kept)),
        labels=np.asarray(catalog.labels, np.int64)[kept],
        classes=catalog.classes,
        names=[str(catalog.names[i]) for i in kept] if made.skipped else catalog.names,
        hashes=made.hashes,
        splits=catalog.splits[kept],
        ledger=_ledger(catalog, made),
        notes=made.notes,
    )


def _ledger(catalog: Catalog, made: Prepared) -> Ledger:
    """Return the catalog's ledger with what became of the images; what a reader had repaired stays said."""
    if not (made.skipped or made.repaired or isinstance(catalog.images[0], FILES)):
        return catalog.ledger  # arrays have no files to account for
    before = {entry.name: entry for entry in catalog.ledger}
    revised = []
    for i, name in enumerate(catalog.names):
        entry = before.get(name, Entry(name, "used"))
        if i in made.skipped:
            entry = Entry(name, "skipped", made.skipped[i])
        elif i in made.repaired:
            how = [entry.detail] if entry.status == "repaired" else []
            entry = Entry(name, "repaired", "; ".join([*how, made.repaired[i]]))
        if i in made.skipped or i in made.repaired or name not in before:
            revised.append(entry)
    return catalog.ledger.revised(revised) if revised else catalog.ledger
