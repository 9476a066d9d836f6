"""Warnings and log lines of the libraries that decode: not for our users, who are told in the ledger."""

from __future__ import annotations

import logging
import threading
import warnings


class _Quiet:
    """While any thread is inside, warnings that Pillow's own modules issue are ignored.

    `warnings.catch_warnings` would do for one thread; with several, one restores what another still needs.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._inside = 0
        self._filter: tuple | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self._filter = warnings.filters[0]

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._filter in warnings.filters:
                warnings.filters.remove(self._filter)  # pyright: ignore


# Without a handler, Python prints what libraries log as errors.
for _library in ("PIL", "tifffile"):
    logging.getLogger(_library).addHandler(logging.NullHandler())
QUIET = _Quiet()
