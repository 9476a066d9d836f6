"""A load generator for HTTP on this machine: open connections, and what became of every request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

LOOPBACK = "127.0.0.1"
WAIT_S = 90.0
Result = TypeVar("Result")


@dataclass(slots=True)
class Outcome:
    """What became of a request: `status` (0: lost), `wait_s` from when it was due, `number` of the request, `body`."""

    number: int
    status: int
    wait_s: float
    body: bytes = b""


@dataclass
class Load:
    """All outcomes of a load, and how long it took."""

    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, *statuses: int) -> int:
        """Return how many requests had one of these statuses."""
        return sum(one.status in statuses for one in self.outcomes)

    def waits(self, *statuses: int) -> list[float]:
        """Return the seconds of requests of these statuses, ascending."""
        return sorted(one.wait_s for one in self.outcomes if one.status in statuses)


class Connection(asyncio.Protocol):
    """One connection, for one request at a time."""

    def __init__(self):
        self.buffer = bytearray()
        self.open = False
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport):
        self.transport, self.open = transport, True

    def connection_lost(self, exc):
        self.open = False
        if self._answer and not self._answer.done():
            self._answer.set_result((0, b""))

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        body, self.buffer = bytes(self.buffer[end + 4 : end + 4 + length]), bytearray()
        if b"connection: close" in head:
            self.open = False
            self.transport.close()
        if self._answer and not self._answer.done():
            self._answer.set_result((int(head[9:12]), body))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request and return status and body of its answer; status 0 where there is none."""
        self._answer = asyncio.get_running_loop().create_future()
        if not self.open:
            return 0, b""
        self.transport.write(request)
        try:
            return await asyncio.wait_for(self._answer, WAIT_S)
        except TimeoutError:
            self.open = False
            self.transport.abort()
            return 0, b""


async def connect(port: int) -> Connection | None:
    """Return an open connection, None where the service takes none."""
    for attempt in range(3):
        try:
            _, connection = await asyncio.get_running_loop().create_connection(Connection, LOOPBACK, port)
            return connection
        except OSError:
            await asyncio.sleep(0.05 * (attempt + 1))
    return None


async def closed_loop(
    port: int, requests: Sequence[bytes], connections: int, seconds: float, count: int = 0, keep: bool = True,
    tick: Callable[[int], object] = lambda done: None,
) -> Load:  # fmt: skip
    """Let each of some connections ask again as soon as it is answered, for so many seconds or requests."""
    load, started, numbers = Load(), time.perf_counter(), iter(range(count or 1 << 60))
    end = started + seconds

    async def work() -> None:
        connection = await connect(port)
        for number in numbers:
            if time.perf_counter() >= end or connection is None:
                return
            due = time.perf_counter()
            status, body = await connection.ask(requests[number % len(requests)])
            load.outcomes.append(Outcome(number, status, time.perf_counter() - due, body if keep else b""))
            tick(number)
            if not connection.open:
                connection = await connect(port)

    await asyncio.gather(*(work() for _ in range(connections)))
    load.seconds = time.perf_counter() - started
    return load


async def open_loop(port: int, requests: Sequence[bytes], rate: float, seconds: float, most: int = 2000) -> Load:
    """Ask at a fixed rate, whether answers have come or not; the clock of each runs from when it was due."""
    load, idle, opened, tasks = Load(), [], 0, set()
    started = time.perf_counter()

    async def one(number: int, due: float) -> None:
        nonlocal opened
        while idle:
            connection = idle.pop()
            if connection.open:
                break
            opened -= 1
        else:
            if opened >= most:  # the generator's own limit, told as such
                load.outcomes.append(Outcome(number, -1, 0.0))
                return
            opened += 1
            connection = await connect(port)
        status, body = (0, b"") if connection is None else await connection.ask(requests[number % len(requests)])
        load.outcomes.append(Outcome(number, status, time.perf_counter() - due, body))
        if connection is not None and connection.open:
            idle.append(connection)
        else:
            opened -= 1

    for number in range(int(rate * seconds)):
        due = started + number / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        elif number % 8 == 0:
            await asyncio.sleep(0)
        task = asyncio.create_task(one(number, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    load.seconds = time.perf_counter() - started
    return load


def run(load: Coroutine[Any, Any, Result]) -> Result:
    """Return what comes of a load; the generator takes less of the processor where uvloop is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(load)
    return uvloop.run(load)


def post(path: str, body: bytes, content_type: str = "application/octet-stream") -> bytes:
    """Return the bytes of a POST."""
    head = f"POST {path} HTTP/1.1\r\nhost: {LOOPBACK}\r\ncontent-type: {content_type}\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body)


def form(path: str, files: Sequence[bytes]) -> bytes:
    """Return the bytes of a POST of several files."""
    parts = [
        b'--frontier\r\ncontent-disposition: form-data; name="file"; filename="%d.img"\r\n\r\n%b\r\n' % (i, one)
        for i, one in enumerate(files)
    ]
    return post(path, b"".join(parts) + b"--frontier--\r\n", "multipart/form-data; boundary=frontier")


def share_of(waits: Sequence[float], share: float) -> float:
    """Return the wait that so large a share of the requests does not exceed."""
    return waits[min(len(waits) - 1, int(share * len(waits)))] if waits else float("nan")
