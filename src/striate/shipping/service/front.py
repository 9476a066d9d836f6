"""The front door, before any route: who may come in, a number for each request, its log line and its counts."""

from __future__ import annotations

import asyncio
import hmac
import json
import math
import random
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from striate.shipping.service.limits import RefusedError
from striate.shipping.service.logs import JsonLog
from striate.shipping.service.metrics import Metrics
from striate.shipping.service.predictor import Predictor, Sent, question_of

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Message]], Send], Awaitable[None]]

# What tells nothing of images or traffic is open: the page, which asks for the token, and whether the service lives.
_OPEN = ("/", "/docs", "/favicon.ico", "/openapi.json", "/healthz", "/readyz")
PREDICT = "/v1/predict"
ROUTES = (*_OPEN, PREDICT, "/v1/model", "/v1/models", "/metrics")
# How a browser of this machine calls it; any other name may be a foreign page's that was made to lead here.
_LOCAL = re.compile(rb"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d*)?", re.IGNORECASE)
_ID = re.compile(rb"[\w.-]{1,64}")
_CLOSED = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
# Of a body that is refused so much is read and dropped, so long, for the client to hear why.
_DROPPED_BYTES, _DROPPED_S = 8 << 20, 2.0
_SMALL_BYTES = 1 << 20
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def json_bytes(value: Any) -> bytes:
    """Return JSON as it is sent."""
    return _ENCODER.encode(value).encode("utf-8", "replace")


class Front:
    """An ASGI application around another.

    Arguments:
        app: answers what may come in, but for images.
        predictor: answers those: a framework's way would take longer than to look at a small one.
        token: what clients must bring; None: everybody may come in.
        log, metrics: are told of each request.
        local: whether only this machine is served: without a token requests must then name it as their host, since a
            page of another site could read the answers if its name led here (DNS rebinding).
    """

    def __init__(
        self, app: App, predictor: Predictor, token: str | None, log: JsonLog, metrics: Metrics, local: bool = False
    ):  # fmt: skip
        self._app, self._predictor, self._log, self._metrics = app, predictor, log, metrics
        self._local = local and token is None
        self._token = token.encode() if token is not None else None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(scope, receive, send)
        scope.setdefault("state", {})["visit"] = visit
        try:
            self._check_host(scope, visit.headers)
            self._check_token(scope["path"], visit.headers)
            if scope["path"] == PREDICT and scope["method"] == "POST":
                await self._predict(scope, visit)
            else:
                await self._app(scope, visit.receive, visit.send)
        except RefusedError as refusal:
            await visit.refuse(refusal)
        except asyncio.CancelledError:
            await visit.refuse(RefusedError(503, "stopping", "the service is being stopped: ask again", 1.0))
            raise
        except Exception as error:
            self._log.tell("error", id=visit.id, kind=type(error).__name__, at=_place(error))
            await visit.refuse(
                RefusedError(500, "internal", "something went wrong here; the log has it under this request")
            )
        finally:
            self._record(scope, visit)

    async def _predict(self, scope: Mapping[str, Any], visit: Visit) -> None:
        if refusal := self._predictor.gate():  # before anything else is done for it
            raise refusal
        sent = Sent(visit.receive, visit.headers.get(b"content-type", b"").decode("latin-1"), visit.length)
        answer = await self._predictor.answer(question_of(scope["query_string"]), sent)
        name, count = answer.served.name, len(answer.predictions)
        visit.about |= {"model": name, "images": count}
        self._metrics.images.labels(name).inc(count)
        await visit.tell(200, json_bytes(answer.to_json()), [])

    def _check_host(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> None:
        host = headers.get(b"host")
        if not self._local or (host is None and scope["http_version"] == "1.0"):
            return
        if not _LOCAL.fullmatch(host or b""):
            raise RefusedError(
                421, "other-host", "without a token the host of a request must be localhost, 127.0.0.1 or [::1]. "
                "Ask there, or set STRIATE_TOKEN for the service",
            )  # fmt: skip

    def _check_token(self, path: str, headers: Mapping[bytes, bytes]) -> None:
        if self._token is None or path in _OPEN:
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
            raise RefusedError(
                401, "no-token", "a request must bring the service's token: Authorization: Bearer TOKEN",
                headers={"www-authenticate": "Bearer"},
            )  # fmt: skip

    def _record(self, scope: Mapping[str, Any], visit: Visit) -> None:
        seconds, status = time.perf_counter() - visit.start, visit.status or 499
        route = scope["path"] if scope["path"] in ROUTES else "other"
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        self._metrics.bytes.inc(visit.bytes)
        if visit.code:
            self._metrics.refused.labels(visit.code).inc()
        self._log.tell(
            "request", id=visit.id, method=scope["method"] if len(scope["method"]) < 10 else "other", route=route,
            status=status, ms=round(1e3 * seconds, 2), bytes=visit.bytes, **visit.about,
            **({"code": visit.code} if visit.code else {}),
        )  # fmt: skip


class Visit:
    """One request and its answer, as they go by."""

    def __init__(self, scope: Mapping[str, Any], receive: Any, send: Send):
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        given = self.headers.get(b"x-request-id", b"")
        self.id = given.decode() if _ID.fullmatch(given) else f"{random.getrandbits(64):016x}"
        self.start, self.status, self.bytes, self.code = time.perf_counter(), 0, 0, ""
        self.about: dict[str, Any] = {}
        self._receive, self._send = receive, send
        self._more = b"transfer-encoding" in self.headers or self.length not in (None, 0)

    @property
    def length(self) -> int | None:
        """How long the body is, as its header says."""
        said = self.headers.get(b"content-length", b"")
        return int(said) if said.isdigit() and len(said) < 19 else None

    async def receive(self) -> Message:
        """Return the next message from the client."""
        message = await self._receive()
        if message["type"] == "http.request":
            self.bytes += len(message.get("body", b""))
            self._more = bool(message.get("more_body"))
        else:
            self._more = False
        return message

    async def send(self, message: Message) -> None:
        """Send a message to the client; its head gets what every answer has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = {name.lower() for name, _ in message["headers"]}
            extra = [(b"x-request-id", self.id.encode()), *_HEADERS]
            extra += [] if b"content-security-policy" in own else [(b"content-security-policy", _CLOSED)]
            message = {**message, "headers": [*message["headers"], *extra]}
        await self._send(message)

    async def tell(self, status: int, content: bytes, headers: list[tuple[bytes, bytes]], more: bool = False) -> None:
        """Answer with JSON; `more`: the answer is ended later."""
        about = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content)), *headers]
        await self.send({"type": "http.response.start", "status": status, "headers": about})
        await self.send({"type": "http.response.body", "body": content, "more_body": more})

    async def refuse(self, refusal: RefusedError) -> None:
        """Answer with a refusal, if no answer has begun; what still comes of a large body is dropped for a while."""
        self.code = refusal.code
        if self.status:
            return
        if refusal.status == 499:  # nobody is there to hear it
            self.status = 499
        content = json_bytes(refusal.to_json(self.id))
        headers: list[tuple[bytes, bytes]] = []
        headers += [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
        if refusal.retry_after_s is not None:
            headers.append((b"retry-after", str(math.ceil(refusal.retry_after_s)).encode()))
        small = self.length is not None and self.length <= _SMALL_BYTES
        closing = self._more and (not small or refusal.status == 408)
        if closing:
            headers.append((b"connection", b"close"))
        await self.tell(refusal.status, content, headers, closing)
        if closing:
            await self._drop()
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _drop(self) -> None:
        """Read on, so that the client is not cut off while it still sends and can read its answer."""
        limit = self.bytes + _DROPPED_BYTES
        try:
            async with asyncio.timeout(_DROPPED_S):
                while self._more and self.bytes < limit:
                    await self.receive()
        except TimeoutError:
            return


def _place(error: BaseException) -> list[str]:
    """Return where an error came from, without its message: that could hold what a client sent."""
    return [
        f"{one.filename.rsplit('striate', 1)[-1]}:{one.lineno} {one.name}"
        for one in traceback.extract_tb(error.__traceback__)[-6:]
    ]
