"""Where what Striate keeps for later lies: all of it below one folder, which STRIATE_CACHE names."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder(*parts: str) -> Path:
    """Return a folder (or file) of the cache: `parts` below $STRIATE_CACHE, or below the system's place for caches.

    prepared          decoded images and features
    data/NAME         the files of a published set
    weights           published weights
    """
    return Path(os.environ.get("STRIATE_CACHE") or platformdirs.user_cache_dir("striate"), *parts)
