"""The server: what is put together, started, kept up to date and stopped without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from striate.errors import ArgumentError, MissingExtraError, StorageError
from striate.shipping.service.limits import Limits
from striate.shipping.service.models import Loading, Models, WantedModel

try:
    import uvicorn

    from striate.shipping.service.app import make_app
    from striate.shipping.service.connections import GuardedProtocol
    from striate.shipping.service.front import Front
    from striate.shipping.service.metrics import Metrics
except ImportError as error:
    raise MissingExtraError(
        f'the service needs what is not installed: {error.name}. Install it: pip install "striate[serve]"'
    ) from None

from striate.shipping.service.batching import Batcher
from striate.shipping.service.logs import JsonLog
from striate.shipping.service.predictor import Predictor

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SHORTEST_TOKEN = 16
_SPARE_FILES = 128
# How long a thread that computes in Python may keep the one that answers waiting.
_SWITCH_S = 0.0005


@dataclass(frozen=True)
class Serving:
    """How models are served.

    Arguments:
        host, port: where; port 0 takes one that is free.
        token: what clients must bring; None: everybody may come in.
        limits: what requests may cost.
        loading: how models are loaded.
        log: where its lines go; None: nowhere.
        reload_s: how often files are looked at for a change.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    limits: Limits = field(default_factory=Limits)
    loading: Loading = field(default_factory=Loading)
    log: TextIO | None = None
    reload_s: float = 1.0


def read_token(path: Path | None) -> str | None:
    """Return the token in a file, else that in STRIATE_TOKEN, else None.

    Raises:
        ArgumentError: the file cannot be read, or the token is too short to be a secret, or no plain letters.
    """
    if path is not None:
        try:
            token = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ArgumentError(f"the token's file {path} cannot be read: {error}") from None
    elif "STRIATE_TOKEN" in os.environ:
        token = os.environ["STRIATE_TOKEN"].strip()
    else:
        return None
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ArgumentError(
            f"a token must have at least {_SHORTEST_TOKEN} letters, digits and signs, no spaces; got {len(token)}. "
            "Make one: python -c 'import secrets; print(secrets.token_urlsafe(24))'"
        )
    return token


class Service:
    """All parts of a running service, put together.

    Arguments:
        wanted: the models.
        serving: how.
        note: is told what a person should know.
    """

    def __init__(
        self, wanted: Sequence[WantedModel], serving: Serving, note: Callable[[str], object] = lambda text: None
    ):
        self.serving, self.note = serving, note
        self.log, self.metrics = JsonLog(serving.log), Metrics()
        self.models = Models(wanted, serving.loading, self._tell)
        self.predictor = Predictor(self.models, serving.limits, Batcher(self._watch))
        self.metrics.follow(self.metrics.queue, lambda: self.predictor.waiting)
        self.metrics.follow(self.metrics.held, lambda: self.predictor.holding.held_bytes)
        self.metrics.follow(self.metrics.dropped, lambda: self.log.dropped)

    def app(self) -> Front:
        """Return the ASGI application."""
        routes = make_app(self.predictor, self.metrics)
        local = self.serving.host in LOOPBACK
        return Front(routes, self.predictor, self.serving.token, self.log, self.metrics, local)

    def run(self, listener: socket.socket, started: Callable[[], object] = lambda: None) -> bool:
        """Serve until it is stopped by a signal or by `stop`; return whether what was in flight was waited for.

        Arguments:
            listener: from `listen`.
            started: is called once requests are answered.
        """
        self._started = started
        limits = self.serving.limits
        more: dict[str, Any] = {"http": partial(GuardedProtocol, limits=limits), "log_config": None}
        more |= {"timeout_keep_alive": limits.idle_s, "timeout_graceful_shutdown": limits.stop_s}
        config = uvicorn.Config(
            self.app(), ws="none", lifespan="off", access_log=False, server_header=False, proxy_headers=False, **more
        )
        self._server = _Server(config, self)
        with self._quiet(), _at_once():
            self._server.run([listener])
        return not self._server.force_exit

    def stop(self) -> None:
        """Stop as a signal would; from any thread."""
        self._server.should_exit = True

    async def begin(self) -> None:
        """Start what works beside the routes."""
        self.predictor.start()
        self._reloading = asyncio.create_task(self.models.watch(self.serving.reload_s))
        for one in self.models.served.values():
            self.log.tell("serving", model=one.name, version=one.version, runtime=one.runtime.name)

    def begun(self) -> None:
        """Say that requests are answered."""
        self._started()

    async def end(self) -> None:
        """End what works beside the routes."""
        self._reloading.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._reloading
        self.predictor.close()
        self.log.tell("stopped")
        self.log.close()

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """Let what the server's library says go to the log."""
        logger, handler = logging.getLogger("uvicorn.error"), _ToLog(self.log)
        before = logger.propagate
        logger.addHandler(handler)
        logger.propagate = False
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.propagate = before

    def _watch(self, runtime: Any, images: int, seconds: float) -> None:
        self.metrics.batches.labels(runtime.name).observe(images)
        self.metrics.batch_seconds.labels(runtime.name).observe(seconds)

    def _tell(self, event: str, **about: Any) -> None:
        self.log.tell(event, **about)
        self.metrics.reloads.labels(about["model"], event).inc()
        self.note(f"{about['model']}: {event}" + (f": {about['message']}" if "message" in about else ""))


@contextlib.contextmanager
def _at_once() -> Iterator[None]:
    """Let nothing of Python's own hold up requests: threads that compute, and the search for garbage among all objects.

    Libraries and models have some 300,000 objects, which stay; to look at each of them takes a fifth of a second.
    """
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(switch_s)


class _Server(uvicorn.Server):
    """uvicorn's server, which ends by a signal as by any other end: with everything answered and exit code 0."""

    def __init__(self, config: uvicorn.Config, service: Service):
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start."""
        await self._service.begin()
        await super().startup(sockets)
        self._service.begun()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: take no more, answer what is there."""
        self._service.predictor.stopping = True
        self._service.log.tell("stopping", images=self._service.predictor.waiting)
        await super().shutdown(sockets)
        await self._service.end()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear SIGINT and SIGTERM; a second one ends at once."""
        try:
            before = {number: signal.signal(number, self._asked) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not in the main thread, where nobody hears signals
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _asked(self, number: int, frame: object) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


class _ToLog(logging.Handler):
    """Hands warnings and errors of the server's library to the log."""

    def __init__(self, log: JsonLog):
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        self._log.tell("server", level=record.levelname.lower(), message=record.getMessage()[:300])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, so that nobody waits for models to load for an address that is taken.

    Raises:
        StorageError: the address cannot be had; the message says why.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise StorageError(f"cannot listen on {host} port {port}: {why}. Choose another --port or --host") from None
    return listener


def allow_connections(limits: Limits) -> int:
    """Return how many connections there can be, after asking the system for as many files as the limits want."""
    try:
        import resource
    except ImportError:  # Windows
        return limits.connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + _SPARE_FILES
    if soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(16, min(limits.connections, soft - _SPARE_FILES))
