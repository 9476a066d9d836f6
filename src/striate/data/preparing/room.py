"""How much the cache may take on disk: what was used longest ago goes first, what a process has open stays."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

from striate.data.preparing.cache import CacheEntry, entries, is_used, remove
from striate.errors import ArgumentError
from striate.units import parse_bytes, say_bytes, say_duration

DEFAULT_LIMIT_BYTES = 20_000_000_000
VARIABLE = "STRIATE_CACHE_LIMIT"


def limit_bytes() -> float:
    """Return what the cache may take, in bytes: as STRIATE_CACHE_LIMIT says, else 20 GB.

    Raises:
        ArgumentError: the variable is no size.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if named.lower() == "none":
        return math.inf
    try:
        return parse_bytes(named) if named else DEFAULT_LIMIT_BYTES
    except ArgumentError:
        raise ArgumentError(f"{VARIABLE} must be a size such as 20GB, or none; got {named!r}. Set it anew") from None


def make_room(cache_dir: Path, needed_bytes: int = 0) -> tuple[str, ...]:
    """Keep the cache within its limit when `needed_bytes` more are about to be written; return what to tell of it.

    What is needed may be more than the limit: a run goes before it.

    Arguments:
        cache_dir: the cache of prepared images.

    Raises:
        ArgumentError: STRIATE_CACHE_LIMIT is no size.
    """
    limit = limit_bytes()
    gone, taken_bytes = let_go(cache_dir, limit, needed_bytes)
    said = [f"the cache's limit is {say_bytes(limit)} ({VARIABLE} sets another): {gone_sentence(one)}" for one in gone]
    if taken_bytes > limit and (gone or needed_bytes):
        said.append(
            f"the cache takes {say_bytes(taken_bytes)}, more than its limit of {say_bytes(limit)} ({VARIABLE} sets "
            "another): what is in use stays"
        )
    return tuple(said)


def let_go(cache_dir: Path, limit: float, needed_bytes: int = 0) -> tuple[list[CacheEntry], int]:
    """Remove what was used longest ago, but not what a process has open, until `needed_bytes` more are within a limit.

    Returns:
        (what is gone, the bytes that the rest takes with what is needed)
    """
    found = entries(cache_dir)
    taken_bytes = sum(entry.bytes for entry in found) + needed_bytes
    gone = []
    for entry in reversed(found):
        if taken_bytes <= limit:
            break
        folder = cache_dir / entry.key
        if not is_used(folder) and remove(folder):
            taken_bytes -= entry.bytes
            gone.append(entry)
    return gone, taken_bytes


def gone_sentence(entry: CacheEntry) -> str:
    """Say that an entry was removed: how large it was, of what, and when it was used last."""
    ago = say_duration(max(0.0, time.time() - entry.last_used)) if entry.last_used else "a long time"
    return f"{say_bytes(entry.bytes)} of {entry.source} deleted, last used {ago} ago; it is made again when needed"
