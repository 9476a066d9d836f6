"""The first look at every source: its header, a digest of its content, and whether it can be decoded at all."""

from __future__ import annotations

import hashlib
import os
import time
from array import array
from collections.abc import MutableSequence, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.data.decoding.decode import WAYS, Header, array_header, probe, read_bytes
from striate.data.decoding.paging import file_and_page
from striate.data.decoding.stored import Stored
from striate.data.preparing.parallel import in_order
from striate.errors import DecodingError
from striate.observer import Progress

# A second change so soon after the first may leave a file's times as they were.
RACY_NS = 2_000_000_000
_BATCH, _FEW = 64, 8
# Files from this size on take longer to read and digest, without Python's lock, than threads take to start.
_HEAVY_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Scan:
    """What a first look tells of each source, and {position: reason} of those that cannot be decoded.

    Arguments:
        headers: None of what has none.
        digests: of the content.
        stamps: what the file system said of each file, as one number; 0 where that cannot tell a change.
    """

    headers: list[Header | None]
    digests: list[bytes]
    stamps: MutableSequence[int]
    skipped: dict[int, str]


def scan_sources(sources: Sequence[Any] | np.ndarray, progress: Progress) -> Scan:
    """Read every source once."""

    def look(source: Any) -> tuple[Header | None, bytes, int, str]:
        content, stamp = b"", 0
        try:
            if isinstance(source, WAYS):
                file, page = file_and_page(source)
                stamp = stamp_of(file)
                content = read_bytes(file)
                return probe(content, page), digest_of(content, page), stamp, ""
            return array_header(source) if isinstance(source, np.ndarray) else probe(source), digest_of(source), 0, ""
        except DecodingError as error:
            return None, digest_of(content or str(error).encode()), stamp, str(error)

    scan, known = Scan([], [], array("q"), {}), dict[Header | None, Header | None]()
    heavy = _typical_bytes(sources) >= _HEAVY_BYTES
    with closing(in_order(look, sources, _FEW if heavy else _BATCH, heavy=heavy)) as batches:
        for batch in batches:
            for header, digest, stamp, reason in batch:
                if header is None:
                    scan.skipped[len(scan.headers)] = reason
                scan.headers.append(known.setdefault(header, header))  # of a million images, few are not alike
                scan.digests.append(digest)
                scan.stamps.append(stamp)
            progress("reading", len(scan.headers), len(sources))
    return scan


def digest_of(content: Any, page: int = 0) -> bytes:
    """Return 16 bytes by which a file's content, and a page of it, is known again; none of what is no bytes."""
    if not isinstance(content, bytes):
        return b""
    return hashlib.blake2b(content, digest_size=16, salt=page.to_bytes(4, "little") if page else b"").digest()


def stamp_of(file: Path | str | Stored) -> int:
    """Return one number that is another when a file was changed; 0 where that is not sure."""
    try:
        found = os.stat(file.origin if isinstance(file, Stored) else file)
    except (OSError, ValueError):
        return 0
    times = found.st_mtime_ns, found.st_ctime_ns
    now_ns = time.time_ns()
    return 0 if any(abs(now_ns - when) < RACY_NS for when in times) else hash((found.st_size, found.st_ino, *times))


def _typical_bytes(sources: Sequence[Any] | np.ndarray) -> float:
    """Return the median size of a few of the files; 0 of what are no files."""
    some = [sources[i] for i in np.unique(np.linspace(0, len(sources) - 1, _FEW).astype(np.int64))]
    sizes = []
    for source in some:
        file = file_and_page(source)[0] if isinstance(source, WAYS) else None
        try:
            sizes.append(os.stat(file).st_size if isinstance(file, str | Path) else 0)
        except (OSError, ValueError):
            sizes.append(0)
    return float(np.median(sizes))
