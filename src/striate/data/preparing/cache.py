"""Prepared images on disk: one folder an entry, named by content, written aside and renamed, opened memory-mapped.

    <cache>/<key>/pixels.npy       uint8 (n, h, w, c)
    <cache>/<key>/hashes.npy       uint64 (n,)
    <cache>/<key>/about.json       source, shape, what was skipped and repaired
    <cache>/<key>/seen-<…>.json    a state of the file system known to have this content
    <cache>/<key>/use-<host>-<pid>-<…>   a process has the pixels open: they are not let go of to make room
    <cache>/tmp-<host>-<pid>-<…>/  an entry being written; swept away later if its process is dead

Two processes may prepare the same images at once: both do the work, and the second to finish finds the entry there.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
import weakref
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from striate.data.decoding.pixels import Fit, check_fit
from striate.data.decoding.windows import PixelWindow
from striate.system.cache import cache_folder
from striate.system.files import write_atomically
from striate.system.owners import host_name, is_alive

VERSION = 1
_DAY_S = 86400.0
_SWEEP_AFTER_S = 60.0
_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, eq=False)
class Prepared:
    """What preparing made of n sources.

    Arguments:
        pixels: uint8 (m, h, w, c), the decodable ones in order.
        hashes: uint64 (m,), of the pixels before resizing.
        skipped: {position among the n: reason}.
        repaired: {position among the n: how}.
        notes: what a user should be told.
        window: which values became 0 and 255; None where all have 8 bits.
        fit: how images of other sizes come to this one.
    """

    pixels: np.ndarray
    hashes: np.ndarray
    skipped: dict[int, str] = field(default_factory=dict)
    repaired: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    window: PixelWindow | None = None
    fit: Fit = "crop"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One prepared source in the cache; `last_used` in seconds since 1970."""

    key: str
    source: str
    images: int
    shape: tuple[int, int, int]
    bytes: int
    last_used: float


def entries(cache_dir: Path | None = None) -> list[CacheEntry]:
    """Return what the cache holds, last used first; damaged entries are listed with 0 images."""
    found = []
    for path in _entry_folders(cache_dir or cache_folder("prepared")):
        source, (n, h, w, c), used = "?", (0, 0, 0, 0), 0.0
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            used = (path / "about.json").stat().st_mtime
            about = json.loads((path / "about.json").read_text("utf-8"))
            source, (n, h, w, c) = str(about["source"]), map(int, about["shape"])
        found.append(CacheEntry(path.name, source, n, (h, w, c), _size_bytes(path), used))
    return sorted(found, key=lambda entry: -entry.last_used)


def clear(cache_dir: Path | None = None, older_than_s: float = 0.0) -> int:
    """Remove entries not used for `older_than_s` seconds, and what dead processes left; return the bytes freed."""
    folder = cache_dir or cache_folder("prepared")
    freed = 0
    for entry in entries(folder):
        if time.time() - entry.last_used >= older_than_s:
            freed += entry.bytes * remove(folder / entry.key)
    return freed + sweep(folder, after_s=0.0)


def load(cache_dir: Path, key: str) -> Prepared | None:
    """Return the entry `key`, pixels memory-mapped and read-only, or None if it is not there or not whole."""
    folder = cache_dir / key
    try:
        about = json.loads((folder / "about.json").read_text("utf-8"))
        pixels = np.load(folder / "pixels.npy", mmap_mode="r")
        hashes = np.load(folder / "hashes.npy")
        if about["version"] != VERSION or pixels.dtype != np.uint8 or list(pixels.shape) != about["shape"]:
            return None
        if hashes.dtype != np.uint64 or hashes.shape != pixels.shape[:1]:
            return None
        skipped, repaired = ({int(i): str(why) for i, why in about[part]} for part in ("skipped", "repaired"))
    except Exception:  # a damaged header can fail in any way; what is not whole is made anew
        return None
    _mark_used(folder, pixels)
    return Prepared(pixels, hashes, skipped, repaired)


def recall_content(cache_dir: Path, state: str) -> Prepared | None:
    """Return the entry whose content the files had when they were last seen in this `state`, or None."""
    for path in cache_dir.glob(f"*/seen-{state}.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(path.read_text("utf-8"))
            notes, fit = tuple(map(str, told["notes"])), check_fit(told["fit"])
            window = told["window"] and PixelWindow.from_json(told["window"])
            if found := load(cache_dir, path.parent.name):
                return replace(found, notes=notes, window=window, fit=fit)
    return None


def remember_content(cache_dir: Path, key: str, state: str, made: Prepared) -> None:
    """Note that files in `state` have the content `key`; a cache that cannot be written forgets it, harmlessly."""
    path = cache_dir / key / f"seen-{state}.json"
    with contextlib.suppress(OSError):
        told = {"notes": made.notes, "window": made.window and made.window.to_json(), "fit": made.fit}
        write_atomically(path, json.dumps(told))


def _mark_used(folder: Path, pixels: np.memmap) -> None:
    """Note when an entry was used last and, for as long as its pixels are open, that it is; where that can be noted."""
    with contextlib.suppress(OSError):
        os.utime(folder / "about.json")
        handle, mark = tempfile.mkstemp(prefix=f"use-{host_name()}-{os.getpid()}-", dir=folder)
        os.close(handle)
        # the mapping itself: views of the array refer to it, and not to the array
        weakref.finalize(pixels.base, _unmark, mark, os.getpid())


def _unmark(mark: str, pid: int) -> None:
    if os.getpid() == pid:  # a forked process leaves its parent's mark alone
        with contextlib.suppress(OSError):
            os.unlink(mark)


def is_used(folder: Path) -> bool:
    """Whether a process may have the entry's pixels open; of another machine's, for a day."""
    for mark in folder.glob("use-*-*-*"):
        with contextlib.suppress(OSError, ValueError):
            _, host, pid, _ = mark.name.split("-", 3)
            known = host == host_name() and os.name == "posix"
            if is_alive(int(pid)) if known else time.time() - mark.stat().st_mtime < _DAY_S:
                return True
    return False


def remove(folder: Path) -> bool:
    """Remove an entry, all of it or nothing: elsewhere than on POSIX a folder with an open file cannot be renamed."""
    aside = folder.with_name(f"tmp-{host_name()}-{os.getpid()}-{folder.name}")
    try:
        folder.rename(aside)
    except OSError:
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _entry_folders(cache_dir: Path) -> list[Path]:
    if not cache_dir.is_dir():
        return []
    return [path for path in cache_dir.iterdir() if _KEY.fullmatch(path.name) and path.is_dir()]


def _size_bytes(folder: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):
        total = sum(path.stat().st_size for path in folder.iterdir())
    return total


def sweep(cache_dir: Path, after_s: float = _SWEEP_AFTER_S) -> int:
    """Remove what dead processes left, once untouched for `after_s` seconds; return the bytes freed.

    Of a process on another machine nobody here knows whether it is alive: its folders are given a day.
    """
    freed = 0
    for path in cache_dir.glob("tmp-*-*-*"):
        with contextlib.suppress(OSError, ValueError):
            _, host, pid, _ = path.name.split("-", 3)
            idle_s = time.time() - max(part.stat().st_mtime for part in (path, *path.iterdir()))
            here = host == host_name()
            if idle_s > _DAY_S or (idle_s > after_s and here and not is_alive(int(pid))):
                freed += _size_bytes(path)
                shutil.rmtree(path, ignore_errors=True)
    return freed
