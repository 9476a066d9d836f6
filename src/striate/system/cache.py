"""Where what Striate keeps for later lies: all of it below one folder, which STRIATE_CACHE names."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import platformdirs

HOMELESS = (
    "this user has no home folder for a cache: nothing is kept beyond this command. STRIATE_CACHE names another folder"
)


def cache_folder(*parts: str) -> Path:
    """Return a folder (or file) of the cache: `parts` below $STRIATE_CACHE, or below the system's place for caches.

    prepared          decoded images and features
    data/NAME         the files of a published set
    weights           published weights

    A user without a home has no such place: it is then a temporary folder, gone when this process ends.
    """
    named = os.environ.get("STRIATE_CACHE")
    base = os.path.expanduser(named) if named else _usual() or _passing()
    return Path(base, *parts)


def is_homeless() -> bool:
    """Whether the cache is a temporary folder, as this user has no other place for it."""
    return not os.environ.get("STRIATE_CACHE") and not _usual()


def _usual() -> str:
    """Return the system's place for caches, nothing where the user has no home."""
    try:
        base = platformdirs.user_cache_dir("striate")
    except RuntimeError:  # of platformdirs 4.5 and later; before, nobody knew what ~ stood for
        return ""
    return "" if base.startswith("~") else base


@cache
def _passing() -> str:
    folder = tempfile.mkdtemp(prefix="striate-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
