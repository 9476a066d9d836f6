"""Connections: heads that must come soon and be small, none that idles for ever, and an end that loses no request."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from striate.shipping.service.limits import Limits, RefusedError

# A client whose connection is closed while its next request is on the way would lose it: it has so long to send one.
_LAST_CALL_S = 0.25
_LINGER_S = 2.0
# What a header field takes in memory beside its letters, about.
_FIELD_BYTES = 64


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the limits that it lacks.

    Arguments:
        limits: how long a head may take, how large it may be, how many connections there may be.
        more: uvicorn's own.
    """

    def __init__(self, *, limits: Limits, **more: Any):
        super().__init__(**more)
        self._limits = limits
        self._head_bytes = self._fields_bytes = 0
        self._turned_away = self._last = False
        self._since = 0.0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a connection, or turn it away where there are too many."""
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > self._limits.connections:
            self._turn_away(RefusedError(503, "connections", "there are too many connections: ask again", 1.0))
        else:
            self._watch = self.loop.call_later(self._limits.idle_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        if self._watch:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what a client sends."""
        if self._turned_away:
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > self._limits.head_bytes and not self._turned_away and not self.transport.is_closing():
            self._turn_away(self._large_head())

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._fields_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of a head, or one behind a chunked body, which has no other limit.

        Raises:
            RefusedError: there are too many; it ends the parsing.
        """
        self._fields_bytes += len(name) + len(value) + _FIELD_BYTES
        if self._fields_bytes > self._limits.head_bytes:
            refusal = self._large_head()
            self._turn_away(refusal)
            raise refusal
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin a request; its body has limits of its own."""
        super().on_headers_complete()
        if self._last:
            self.cycle.keep_alive = False
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Take a part of a body; what is counted is what comes beside it."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request's body: what comes next is a head."""
        self._head_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer."""
        self._since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        if not self._turned_away:
            self._turn_away(RefusedError(400, "no-http", "this is no whole HTTP request"))

    def shutdown(self) -> None:
        """End the connection after the request that it is at, or the one that may be on its way."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif not self._last:
            self._last = True
            self.loop.call_later(_LAST_CALL_S, self.shutdown)
        else:
            self.transport.close()

    def _look(self) -> None:
        """Close a connection that has been at nothing for too long: no request, or half of a head."""
        now, limit = self.loop.time(), self._limits.idle_s
        busy = self.cycle is not None and not self.cycle.response_complete
        if self.transport.is_closing() and not self.transport.get_write_buffer_size():
            return
        if busy or now < self._since + limit:
            self._watch = self.loop.call_later(limit if busy else self._since + limit - now, self._look)
        elif self.transport.get_write_buffer_size():  # it does not read its answer
            self.transport.abort()
        elif self._head_bytes > 0:
            self._turn_away(RefusedError(408, "slow-head", f"a request's head must arrive within {limit:g} s"))
        else:
            self.transport.close()

    def _large_head(self) -> RefusedError:
        limit = self._limits.head_bytes
        return RefusedError(431, "head-too-large", f"a request's head must be at most {limit:,} bytes")

    def _turn_away(self, refusal: RefusedError) -> None:
        """Answer without a request, and close once the client can have read it."""
        self._turned_away = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # its own answer would come behind this one
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        content = json.dumps(refusal.to_json()).encode()
        head = (
            f"HTTP/1.1 {refusal.status} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
        )
        if refusal.retry_after_s:
            head += f"retry-after: {refusal.retry_after_s:.0f}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + content)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.abort)
