"""Preparing: decode every image once, at one size, into memory or into a memory-mapped file kept for the next run."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from striate.data.catalog import Catalog
from striate.data.decoding.decode import WAYS, read_bytes, read_values
from striate.data.decoding.deep import Deep
from striate.data.decoding.fitted import decode_to, picture_digest
from striate.data.decoding.paging import Page, file_and_page
from striate.data.decoding.pixels import (
    Fit,
    check_channels,
    check_fit,
    check_resize,
    check_size,
    pixel_hash,
    pixel_hashes,
)
from striate.data.decoding.quiet import QUIET
from striate.data.decoding.stored import Stored
from striate.data.decoding.windows import PixelWindow, thinned
from striate.data.imageset import ImageSet
from striate.data.preparing import cache
from striate.data.preparing.accounting import image_set_of
from striate.data.preparing.arrays import in_bytes
from striate.data.preparing.cache import Prepared
from striate.data.preparing.choosing import LARGE_SIDE_PX, Target, WindowWish, Wish, choose_fit, choose_target
from striate.data.preparing.parallel import in_order
from striate.data.preparing.room import make_room
from striate.data.preparing.scanning import RACY_NS, Scan, digest_of, scan_sources, stamp_of
from striate.data.preparing.writing import MemoryWriter, Writer, open_writer
from striate.errors import DataError, DecodingError
from striate.observer import Progress, silent
from striate.system.cache import cache_folder

DECODER_VERSION = 6
_BATCH, _BATCH_PX, _HEAVY_PX = 64, 4_000_000, 10_000
_PASSING_BYTES = 256 << 20
_SAMPLE_BATCH = 8


def prepare(
    catalog: Catalog,
    size: int | tuple[int, int] | None = None,
    fit: Fit | None = "crop",
    channels: int | None = None,
    progress: Progress = silent,
    *,
    keep: bool = True,
    resize: int | None = None,
    window: WindowWish = "choose",
) -> ImageSet:
    """Decode the images of a catalog to one size.

    Files go into the cache: a second call with the same files decodes nothing, and the same content at another place
    only has to be read. Arrays of one size are used as they are, without a copy.

    Arguments:
        catalog: what a source holds.
        size: (height, width) in pixels, or one side of a square; None leaves images of one size alone unless their
            shorter side is over 512 px, and takes a square of the median shorter side, at most 128 px, where sizes
            differ.
        fit: "crop", "pad" or "stretch", where the size changes; None is crop, unless that would cut away half of the
            typical image.
        channels: 1, 3 or a number of bands; None is 1 if every image is gray, 3 if some are not, and where most have
            other bands as many as these.
        progress: told how far it is.
        keep: whether the next run will want these files again; if not, a small set stays out of the cache.
        resize: shorter side in pixels from which `size` is cut, as published nets want it; with a size only.
        window: which values become 0 and 255 in images of more than 8 bits; "choose" looks at some of them that are not
            for validation or test; None expects 8 bits, to which 16 fit where they use at least half of their scale.

    Returns:
        An `ImageSet` without the images that cannot be decoded; `ledger` says which and why, `notes` what was chosen.

    Raises:
        DataError: there are no images, or none of them can be decoded.
        StorageError: the cache's disk is full.
        ArgumentError: size, fit, channels or resize are none.
    """
    wish = _checked(size, Wish(None, fit, channels, resize, window))
    if not len(catalog):
        raise DataError(f"nothing to prepare: {catalog.source} holds no images")
    if isinstance(catalog.images, np.ndarray):
        return image_set_of(catalog, _prepare_array(catalog, wish, progress))
    if catalog.raw is not None and isinstance(window, PixelWindow) and window != catalog.window:
        catalog = replace(catalog, images=catalog.raw)
    with QUIET:
        passing = not keep and wish.size is not None and 3 * len(catalog) * math.prod(wish.size) <= _PASSING_BYTES
        if not passing and all(isinstance(image, WAYS) for image in catalog.images):
            made = _prepare_files(catalog, wish, cache_folder("prepared"), progress)
        else:
            made = _prepare_objects(catalog, wish, progress)
    return image_set_of(catalog, made)


def _checked(asked: int | tuple[int, int] | None, wish: Wish) -> Wish:
    size = None if asked is None else check_size(asked)
    fit = None if wish.fit is None else check_fit(wish.fit)
    if wish.resize is not None:
        check_resize(wish.resize, size or (wish.resize + 1, wish.resize + 1), fit or "crop")
    if wish.channels is not None:
        check_channels(wish.channels)
    return wish._replace(size=size, fit=fit)


def _prepare_array(catalog: Catalog, wish: Wish, progress: Progress) -> Prepared:
    """Return what is made of images of one size, deep ones first brought to bytes."""
    images, wish, (how, notes) = in_bytes(catalog, wish)
    if (whole := _as_they_are(images, wish)) is not None:
        made = Prepared(whole, pixel_hashes(whole), fit=wish.fit or choose_fit([whole.shape[1:3]]))
    else:
        with QUIET:
            made = _prepare_objects(replace(catalog, images=images), wish._replace(window=None), progress)
    window = wish.window if isinstance(wish.window, PixelWindow) else None
    repaired = made.repaired
    if how:
        rows = (i for i in range(len(catalog)) if i not in made.skipped)
        repaired = {i: "; ".join(filter(None, [how, made.repaired.get(i, "")])) for i in rows}
    return replace(made, window=window, repaired=repaired, notes=(*notes, *made.notes))


def _prepare_files(catalog: Catalog, wish: Wish, cache_dir: Path, progress: Progress) -> Prepared:
    ways = [Path(image) if isinstance(image, str) else image for image in catalog.images]
    learning = _learning(catalog)
    state = _state(ways, wish, learning)
    if state and (made := cache.recall_content(cache_dir, state)):
        return replace(made, notes=(*made.notes, *make_room(cache_dir)))
    scan = _scanned(ways, catalog, progress)
    target, notes = _target(scan, ways, wish, learning, catalog)
    key = _key(scan, target)
    made = cache.load(cache_dir, key)
    count = len(scan.headers) - len(scan.skipped)
    let_go = make_room(cache_dir, 0 if made else count * math.prod(target.image_shape))
    if made is None:
        writer, remark = open_writer(cache_dir, key, count, target.image_shape)
        made = _decode_into(writer, ways, scan, target, catalog, progress)
        notes += remark
    made = replace(made, notes=notes, window=target.window, fit=target.later)
    if state:
        cache.remember_content(cache_dir, key, state, made)
    return replace(made, notes=(*made.notes, *let_go))


def _prepare_objects(catalog: Catalog, wish: Wish, progress: Progress) -> Prepared:
    scan = _scanned(catalog.images, catalog, progress)
    target, notes = _target(scan, catalog.images, wish, _learning(catalog), catalog)
    writer = MemoryWriter(len(scan.headers) - len(scan.skipped), target.image_shape)
    made = _decode_into(writer, catalog.images, scan, target, catalog, progress)
    window = target.window or (None if isinstance(catalog.images, np.ndarray) else catalog.window)
    return replace(made, notes=notes, window=window, fit=target.later)


def _learning(catalog: Catalog) -> np.ndarray:
    """Return bool (n,): which images are not kept apart by the source itself, for validation or test."""
    return ~np.isin(catalog.splits, ("valid", "test"))


def _as_they_are(images: np.ndarray, wish: Wish) -> np.ndarray | None:
    """Return the array itself if nothing is to be changed about it."""
    size, channels = wish.size, wish.channels
    if wish.resize is not None:
        return None
    images = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4:
        return None
    h, w, c = images.shape[1:]
    right_size = size == (h, w) or (size is None and min(h, w) <= LARGE_SIDE_PX)
    return images if right_size and channels in (None, c) else None


def _scanned(sources: Sequence[Any] | np.ndarray, catalog: Catalog, progress: Progress) -> Scan:
    scan = scan_sources(sources, progress)
    if len(scan.skipped) == len(sources):
        raise _nothing_left(catalog, scan.skipped)
    return scan


def _target(
    scan: Scan, sources: Sequence[Any] | np.ndarray, wish: Wish, learning: np.ndarray, catalog: Catalog
) -> tuple[Target, tuple[str, ...]]:
    """Choose what was not asked for; what cannot come to it is skipped from here on."""

    def values(i: int) -> Deep | None:
        try:
            deep = read_values(sources[i])
        except DecodingError:  # told when it is decoded
            return None
        return deep and replace(deep, values=thinned(deep.values))

    def sample(rows: Sequence[int]) -> list[Deep]:
        with closing(in_order(values, list(rows), _SAMPLE_BATCH, heavy=True)) as batches:
            return [deep for batch in batches for deep in batch if deep]

    chosen = choose_target(scan.headers, wish, learning, sample)
    scan.skipped.update(chosen.refused)
    if len(scan.skipped) == len(scan.headers):
        raise _nothing_left(catalog, scan.skipped)
    return chosen.target, chosen.notes


def _key(scan: Scan, target: Target) -> str:
    """Return the name of the cache entry: the same for the same content, wherever the files are."""
    versions = [cache.VERSION, DECODER_VERSION, PIL.__version__.split(".")[0]]
    told = [versions, target.image_shape, target.fit, *([target.resize] if target.resize else [])]
    told += [target.window.to_json()] if target.window else []
    digest = hashlib.blake2b(json.dumps(told).encode(), digest_size=16)
    for part in scan.digests:
        digest.update(part)
    return digest.hexdigest()


def _state(ways: Sequence[Path | Stored | Page], wish: Wish, learning: np.ndarray) -> str | None:
    """Return a digest of what the file system says about the files and of what is wanted; None if they are in flux."""
    digest = hashlib.blake2b(repr((cache.VERSION, DECODER_VERSION, PIL.__version__, wish)).encode(), digest_size=16)
    digest.update(np.packbits(learning).tobytes() if not learning.all() else b"")
    now_ns = time.time_ns()
    stat = lru_cache(maxsize=16)(Path.stat)  # one question to an archive, not one for each of its images
    for way in ways:
        (path, page), place = file_and_page(way), ""
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
        if any(abs(now_ns - when) < RACY_NS for when in times):
            return None
        digest.update(
            f"{os.path.abspath(path)}\0{found.st_size} {found.st_ino} {times}{page or ''}\0{place}".encode(
                "utf-8", "surrogateescape"
            )
        )
    return digest.hexdigest()


def _decode_into(
    writer: Writer | MemoryWriter,
    sources: Sequence[Any] | np.ndarray,
    scan: Scan,
    target: Target,
    catalog: Catalog,
    progress: Progress,
) -> Prepared:
    """Decode every source that is not skipped yet, in order, into `writer`."""

    def work(i: int) -> tuple[int, np.ndarray | None, int, str]:
        source = sources[i]
        try:
            page = 0
            if isinstance(source, WAYS):
                file, page = file_and_page(source)
                source = read_bytes(file)
                unchanged = scan.stamps[i] and scan.stamps[i] == stamp_of(file)
                if not unchanged and digest_of(source, page) != scan.digests[i]:
                    raise DataError(f"{catalog.names[i]} changed while it was being read; run again")
            pixels, decoded = decode_to(source, target, target.window, page)
        except DecodingError as error:
            return i, None, 0, str(error)
        # not all of a large photograph is decoded: its file stands for its pixels, whatever they are brought to
        digest = pixel_hash(decoded.pixels) if decoded.whole else picture_digest(source, decoded.repairs)
        return i, pixels, digest, "; ".join(decoded.repairs)

    hashes: list[int] = []
    skipped, repaired = dict(scan.skipped), dict[int, str]()
    todo = [i for i, header in enumerate(scan.headers) if header and i not in skipped]
    done = 0
    area_px = max(1, int(np.median([h.height * h.width for h in scan.headers if h])))
    size = max(1, min(_BATCH, _BATCH_PX // area_px))
    with writer, closing(in_order(work, todo, size, heavy=area_px >= _HEAVY_PX)) as batches:
        for batch in batches:
            kept = [(pixels, digest) for _, pixels, digest, _ in batch if pixels is not None]
            if kept:
                writer.append([pixels for pixels, _ in kept])
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
