"""What the service takes, how much of it and for how long; and what it says where it takes something not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from striate.errors import ArgumentError, StriateError


@dataclass(frozen=True)
class Limits:
    """What one request, and all of them together, may cost.

    Arguments:
        body_bytes: of one request's body.
        image_px: of one image, by its header, before anything is decoded.
        images: in one request.
        queue: images that wait or are worked on, of all requests; more are refused at once with 429.
        held_bytes: of all bodies that are in memory at once.
        timeout_s: for a body to arrive, and then again for its answer.
        idle_s: without a byte of a head or body that is due, and of an idle connection.
        connections: that are open at once.
        stop_s: for what is in flight when the service is stopped.
        head_bytes: of one request's line and headers.
    """

    body_bytes: int = 32 << 20
    image_px: int = 50_000_000
    images: int = 64
    queue: int = 256
    held_bytes: int = 256 << 20
    timeout_s: float = 30.0
    idle_s: float = 10.0
    connections: int = 2048
    stop_s: float = 30.0
    head_bytes: int = 64 << 10

    def __post_init__(self):
        for name, value in vars(self).items():
            if not value > 0:
                raise ArgumentError(f"{name} must be above 0; got {value}")
        if self.images > self.queue:
            raise ArgumentError(
                f"the queue must hold the {self.images} images that one request may have; got {self.queue}. "
                "Let a request have fewer, or the queue hold more"
            )
        if self.body_bytes > self.held_bytes:
            raise ArgumentError(
                f"all bodies together must have room for the {self.body_bytes} bytes of one; got {self.held_bytes}"
            )


@dataclass(eq=False)
class RefusedError(StriateError):
    """What a request is answered with that gets no prediction.

    Arguments:
        status: of HTTP.
        code: one word for programs.
        message: what is wrong and what to do, for people.
        retry_after_s: when it may be worth to ask again.
        images: what is wrong with which image: `index`, `image` (its name), `code`, `message`.
        headers: of the answer.
    """

    status: int
    code: str
    message: str
    retry_after_s: float | None = None
    images: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    def to_json(self, request_id: str = "") -> dict[str, Any]:
        """Return `{"error": {"code", "message", …}}`, as every refusal is answered."""
        said: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.images:
            said["images"] = self.images
        if request_id:
            said["request"] = request_id
        return {"error": said}


def busy(wait_s: float) -> RefusedError:
    """Return the refusal of a request that finds the queue full, with when to come again."""
    return RefusedError(429, "busy", "the queue is full: ask again after the seconds of Retry-After", max(1.0, wait_s))


def too_large(limit: int) -> RefusedError:
    """Return the refusal of a body above the limit."""
    return RefusedError(
        413, "body-too-large", f"the body must be at most {limit:,} bytes. Send fewer or smaller images at once"
    )
