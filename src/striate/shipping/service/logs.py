"""The log: one line of JSON for each request and event, without names, addresses or contents of images.

Lines are written by a thread of their own: whoever reads the log slowly, or no longer, holds up no request.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from datetime import UTC, datetime
from typing import Any, TextIO

_MOST_WAITING = 10_000
_AT_ONCE = 200


class JsonLog:
    """Writes lines of JSON; those that would wait behind too many others are dropped and counted.

    Arguments:
        stream: where they go; None: nowhere.
    """

    def __init__(self, stream: TextIO | None):
        self._stream, self.dropped = stream, 0
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._write, name="striate-log", daemon=True)
        if stream:
            self._thread.start()

    def tell(self, event: str, **about: Any) -> None:
        """Log an event with what is known of it."""
        if self._stream is None:
            return
        try:
            self._lines.put_nowait({"time": time.time(), "event": event, **about})
        except queue.Full:
            self.dropped += 1

    def close(self, wait_s: float = 2.0) -> None:
        """Write what waits, and end."""
        if self._stream and self._thread.is_alive():
            try:
                self._lines.put(None, timeout=wait_s)
            except queue.Full:
                return
            self._thread.join(wait_s)

    def _write(self) -> None:
        assert self._stream
        while True:
            lines = [self._lines.get()]
            while len(lines) < _AT_ONCE and not self._lines.empty():
                lines.append(self._lines.get())
            text = "".join(_line(one) for one in lines if one)
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):  # nobody reads any longer
                self.dropped += len(lines)
            if None in lines:
                return


def _line(entry: dict[str, Any]) -> str:
    when = datetime.fromtimestamp(entry["time"], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({**entry, "time": when}) + "\n"
