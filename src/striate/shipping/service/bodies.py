"""Bodies of requests: read as they come, within limits, and taken apart into the files that they hold."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from striate.shipping.service.limits import Limits, RefusedError, busy, too_large
from striate.shipping.service.multipart import form_parts, parameters_of

_LONGEST_NAME = 255
# JSON's values take more than twenty times their letters in memory; each but the first follows one of these.
_BEFORE_VALUES = (b",", b"[", b"{")
_VALUES_PER_IMAGE, _MORE_VALUES = 16, 64
_RAW = "application/octet-stream"
JSON, FORM = "application/json", "multipart/form-data"


class Receive(Protocol):
    """How ASGI hands over what a client sends."""

    async def __call__(self) -> Mapping[str, Any]:
        """Return the next message."""
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a request: the name that the client gave it, perhaps empty, and its bytes."""

    name: str
    content: bytes


class Holding:
    """How many bytes of bodies are in memory, of all requests; for one thread, the event loop's."""

    def __init__(self, limit_bytes: int):
        self._limit, self.held_bytes = limit_bytes, 0

    def take(self, count: int) -> None:
        """Make room for so many more bytes.

        Raises:
            RefusedError: 429, there is none.
        """
        if self.held_bytes + count > self._limit:
            raise busy(1.0)
        self.held_bytes += count

    def give_back(self, count: int) -> None:
        """Say that so many bytes are gone."""
        self.held_bytes -= count


class Body:
    """The body of one request, while it is in memory: a context manager that gives the room back."""

    def __init__(self, holding: Holding, limits: Limits):
        self._holding, self._limits = holding, limits
        self._taken = 0
        self.content = bytearray()

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *_: object) -> None:
        self._holding.give_back(self._taken)
        self._taken = 0
        self.content = bytearray()

    async def read(self, receive: Receive, length: int | None) -> None:
        """Read what the client sends, and no more than may be.

        Arguments:
            receive: ASGI's.
            length: what the header says; None where it says nothing. No room is kept for it: a client that promises
                much and sends nothing would shut out the others.

        Raises:
            RefusedError: 413 too large, 408 too slow, 429 no room, 400 broken off.
        """
        limit = self._limits.body_bytes
        if length is not None and length > limit:
            raise too_large(limit)
        try:
            await self._read_all(receive, limit)
        except TimeoutError:
            raise RefusedError(
                408, "slow-body", f"the body must arrive within {self._limits.timeout_s:g} s, and pause for at most "
                f"{self._limits.idle_s:g} s; {len(self.content):,} bytes came. Send smaller images, or fewer at once",
            ) from None  # fmt: skip

    async def _read_all(self, receive: Receive, limit: int) -> None:
        now = asyncio.get_running_loop().time
        end = now() + self._limits.timeout_s
        while True:
            async with asyncio.timeout_at(min(end, now() + self._limits.idle_s)):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400, "broken-off", "the client left before its request was whole")
            self.content += message.get("body", b"")
            if len(self.content) > limit:
                raise too_large(limit)
            self._holding.take(len(self.content) - self._taken)
            self._taken = len(self.content)
            if not message.get("more_body"):
                return


def check_type(content_type: str) -> str:
    """Return the media type of a body, in small letters, if the service reads it.

    Raises:
        RefusedError: 415, it does not.
    """
    kind = parameters_of(content_type)[0]
    if kind in (JSON, FORM, _RAW, "") or kind.startswith("image/"):
        return kind
    hint = " (curl -F file=@cat.jpg sends a form, -H 'content-type: image/jpeg' says what --data-binary sends)"
    raise RefusedError(
        415, "unsupported-type",
        f"the body must be {FORM}, {JSON}, an image/… or {_RAW}; got content-type {kind[:80]}"
        + (hint if kind == "application/x-www-form-urlencoded" else ""),
    )  # fmt: skip


def uploads_of(body: bytes | bytearray, content_type: str, limits: Limits) -> list[Upload]:
    """Return the files that a body holds: one that is it, those of a form, or those of JSON in base64.

    Raises:
        RefusedError: 415 another type, 400 malformed, 413 too many, 422 none or no base64.
    """
    kind = check_type(content_type)
    if kind == FORM:
        found = _of_form(body, content_type, limits.images)
    elif kind == JSON:
        found = _of_json(body, limits.images)
    else:
        found = [Upload("", bytes(body))] if body else []
    if not found:
        raise RefusedError(422, "no-images", "a request must have at least one image; got none")
    return found


def _of_form(body: bytes | bytearray, content_type: str, most: int) -> list[Upload]:
    found = []
    for part in form_parts(body, content_type, most):
        if part.filename is None:
            raise RefusedError(
                422, "no-file", f"the parts of a form must be files; got the plain field {part.name[:80]!r}. "
                "Give top, sure, sets and model in the address: /v1/predict?top=3",
            )  # fmt: skip
        found.append(Upload(part.filename[:_LONGEST_NAME], bytes(part.content)))
    return found


def _of_json(body: bytes | bytearray, most: int) -> list[Upload]:
    limit = _VALUES_PER_IMAGE * most + _MORE_VALUES
    if sum(map(body.count, _BEFORE_VALUES)) > limit:
        raise RefusedError(
            413, "too-many-values", f"the JSON of up to {most} images must have at most {limit:,} commas and opening "
            "brackets, names included. Send several requests",
        )  # fmt: skip
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "malformed-json", f"the body must be JSON: {str(error)[:200]}") from None
    images = said.get("images") if isinstance(said, dict) else None
    if not isinstance(images, list):
        raise RefusedError(
            422, "no-images", 'the body must be {"images": […]}, each image base64, or {"name": …, "data": base64}'
        )
    if len(images) > most:
        raise RefusedError(413, "too-many-images", f"a request must have at most {most} images. Send several requests")
    return [_of_entry(one, index) for index, one in enumerate(images)]


def _of_entry(entry: Any, index: int) -> Upload:
    name, data = (entry.get("name", ""), entry.get("data")) if isinstance(entry, dict) else ("", entry)
    if not isinstance(data, str) or not isinstance(name, str):
        raise _no_base64(index, "it is no text")
    if data.startswith("data:"):
        data = data.partition(",")[2]
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _no_base64(index, str(error)) from None
    return Upload(name[:_LONGEST_NAME], content)


def _no_base64(index: int, why: str) -> RefusedError:
    message = f"image {index} must be base64 (RFC 4648, no line ends): {why[:120]}"
    told = {"index": index, "image": "", "code": "no-base64", "message": message}
    return RefusedError(422, "no-base64", message, images=[told])
