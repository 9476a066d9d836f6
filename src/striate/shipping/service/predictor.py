"""The way of a request: its body is read and taken apart, its files decoded, its images judged with others."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from striate.classifier.prediction import Prediction
from striate.classifier.trust import Answering
from striate.data.decoding.quiet import QUIET
from striate.shipping.service.batching import Batcher, step_back
from striate.shipping.service.bodies import Body, Holding, Receive, Upload, check_type, uploads_of
from striate.shipping.service.intake import Stop, Taken, pixels_of, take_files, tiny_area
from striate.shipping.service.limits import Limits, RefusedError, busy, too_large
from striate.shipping.service.models import Models, Served
from striate.system.devices import usable_cpus

MOST_TOP = 10_000
# Smaller bodies are taken apart at once, larger ones in a thread, so that others are not held up.
_SMALL_BYTES = 64 << 10
# So many files of a request are decoded by one thread, one after the other.
_FILES_AT_ONCE = 8
# Addresses are mostly alike; long ones are taken apart each time.
_LONGEST_KEPT = 200
# A client may leave while it waits; nobody looks before that.
_PATIENCE_S = 1.0


@dataclass(frozen=True)
class Question:
    """What a request wants to know: of which `model`, how many classes, how `sure`, which `sets`."""

    model: str | None = None
    top: int = 3
    sure: float | None = None
    sets: float | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Question:
        """Return what an address asks.

        Raises:
            RefusedError: 422, a parameter that there is not, or out of range.
        """
        if spare := sorted(set(query) - {"model", "top", "sure", "sets"}):
            raise RefusedError(
                422, "bad-parameter", f"parameters must be model, top, sure and sets; got {spare[0][:40]!r}"
            )
        top, model = query.get("top", "3"), query.get("model")
        if not (top.isascii() and top.isdecimal() and len(top) < 9 and 1 <= int(top) <= MOST_TOP):
            raise RefusedError(
                422, "bad-parameter", f"top must be a whole number from 1 to {MOST_TOP:,}; got {top[:40]!r}"
            )
        return cls(model, int(top), _share(query, "sure"), _share(query, "sets"))


def question_of(query: bytes) -> Question:
    """Return what the query of an address asks, as it stands in a request's first line.

    Raises:
        RefusedError: 422, a parameter that there is not, or out of range.
    """
    return _question(query) if len(query) <= _LONGEST_KEPT else _question.__wrapped__(query)


@lru_cache(maxsize=256)
def _question(query: bytes) -> Question:
    return Question.of(dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))


@dataclass(frozen=True)
class Sent:
    """How a request's body comes: ASGI's `receive`, its `content_type` and its `length`, where it says one."""

    receive: Receive
    content_type: str
    length: int | None


@dataclass(frozen=True, eq=False)
class Answer:
    """What a request is answered: by which model, what it says of each image, in their order."""

    served: Served
    predictions: Sequence[Prediction]
    top: int

    def to_json(self) -> dict[str, Any]:
        """Return the model, its version, and the predictions as `striate predict --json` prints them."""
        told = [prediction.to_json(self.top) for prediction in self.predictions]
        return {"model": self.served.name, "version": self.served.version, "predictions": told}


class Predictor:
    """Answers requests, within limits; all but decoding and computing runs in one event loop."""

    def __init__(self, models: Models, limits: Limits, batcher: Batcher):
        self.models, self.limits, self.batcher = models, limits, batcher
        self.holding = Holding(limits.held_bytes)
        self.waiting = 0
        self.stopping = False
        self._pool = ThreadPoolExecutor(max(2, usable_cpus()), "striate-decode", step_back)

    def start(self) -> None:
        """Begin to compute."""
        QUIET.__enter__()
        self.batcher.start()

    def close(self) -> None:
        """End: what still waits is given up."""
        self.batcher.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)
        QUIET.__exit__()

    @property
    def ready(self) -> bool:
        """Whether a request would be answered now."""
        return self.batcher.alive and not self.stopping and bool(self.models.served) and not self.full

    @property
    def full(self) -> bool:
        """Whether no image more may wait."""
        return self.waiting >= self.limits.queue

    def gate(self) -> RefusedError | None:
        """Return why no image may come in now, None where it may: most of what is too much is refused here, cheaply."""
        return busy(self._wait_s(*self.models.served.values())) if self.full else None

    async def answer(self, question: Question, sent: Sent) -> Answer:
        """Return the answer to a request.

        Raises:
            RefusedError: there is none, see `Limits` and `striate.shipping.service.limits`.
        """
        served = self.models.find(question.model)
        check_type(sent.content_type)
        if sent.length is not None and sent.length > self.limits.body_bytes:
            raise too_large(self.limits.body_bytes)
        rules = await self._rules(served, question)
        with Body(self.holding, self.limits) as body:
            await body.read(sent.receive, sent.length)
            uploads = await self._taken_apart(body, sent.content_type)
            with self._places(len(uploads), served):
                judged = await self._judged(uploads, served, sent.receive)
        names, classes = [upload.name for upload in uploads], served.model.classes
        return Answer(served, rules.tell(names, classes, judged.probabilities, judged.known), question.top)

    async def _rules(self, served: Served, question: Question) -> Answering:
        """Return the rules for what is asked beside classes; new ones take their time, in a thread."""
        asked = question.sure, question.sets
        if (found := served.rules.get(asked)) is not None:  # one look: a thread may empty it meanwhile
            return found
        return await asyncio.get_running_loop().run_in_executor(self._pool, served.answering, *asked)

    def _wait_s(self, *served: Served) -> float:
        """Return in how many seconds, about, the queue will be done, if all of it is for the slowest of some models."""
        return min(60.0, self.waiting / max(0.1, min(one.speed for one in served)))

    @contextmanager
    def _places(self, count: int, served: Served) -> Iterator[None]:
        if self.waiting + count > self.limits.queue:
            raise busy(self._wait_s(served))
        self.waiting += count
        try:
            yield
        finally:
            self.waiting -= count

    async def _taken_apart(self, body: Body, content_type: str) -> list[Upload]:
        """Return the files of a body, which keeps its room in memory for them but not its bytes."""
        content, body.content = body.content, bytearray()
        if len(content) <= _SMALL_BYTES:
            return uploads_of(content, content_type, self.limits)
        work = asyncio.get_running_loop().run_in_executor(self._pool, uploads_of, content, content_type, self.limits)
        return await work

    async def _judged(self, uploads: Sequence[Upload], served: Served, receive: Receive) -> Any:
        """Return what the model says of all files, unless that takes too long or the client leaves."""
        stop, leaving = Stop(), _Leaving(receive)
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                with leaving:
                    pixels = await self._decoded(uploads, served, stop)
                    return await self.batcher.judge(served.runtime, pixels)
        except TimeoutError:
            raise RefusedError(
                503, "too-slow", f"there was no answer within {self.limits.timeout_s:g} s: there is too much to do",
                self._wait_s(served),
            ) from None  # fmt: skip
        except asyncio.CancelledError:
            if leaving.left:
                raise RefusedError(499, "client-left", "the client left before there was an answer") from None
            if self.stopping:
                raise RefusedError(503, "stopping", "the service is being stopped: ask again", 1.0) from None
            raise
        finally:
            stop.asked = True

    async def _decoded(self, uploads: Sequence[Upload], served: Served, stop: Stop) -> np.ndarray:
        loop, shape, limit_px = asyncio.get_running_loop(), served.model.preprocessing, self.limits.image_px
        area_px = tiny_area(uploads[0].content) if len(uploads) == 1 else None
        if area_px is not None:  # a thread would cost more than it spares
            try:
                return pixels_of(uploads[0].content, shape, limit_px, area_px)[None]
            except RefusedError as refusal:
                raise _refused([(0, uploads[0].name, refusal)], 1) from None
        parts: list[Taken] = list(await asyncio.gather(*(
            loop.run_in_executor(self._pool, take_files, uploads[i : i + _FILES_AT_ONCE], i, shape, limit_px, stop)
            for i in range(0, len(uploads), _FILES_AT_ONCE)
        )))  # fmt: skip
        return _pixels_of(parts, len(uploads))


def _share(query: Mapping[str, str], name: str) -> float | None:
    if name not in query:
        return None
    try:
        share = float(query[name])
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise RefusedError(422, "bad-parameter", f"{name} must be between 0 and 1, as 0.99; got {query[name][:40]!r}")
    return share


class _Leaving:
    """Watches, once it lasts, whether the client leaves, and cancels the task that works for it."""

    def __init__(self, receive: Receive):
        self._receive, self.left = receive, False
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._begin)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._watch:
            self._watch.cancel()

    def _begin(self) -> None:
        self._watch = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        if self._task:
            self._task.cancel()


def _pixels_of(parts: Sequence[Taken], count: int) -> np.ndarray:
    """Return uint8 (n, h, w, c) of all files, or raise what is wrong with some of them."""
    if wrong := [one for part in parts for one in part.wrong]:
        raise _refused(wrong, count)
    pixels = [one for part in parts for one in part.pixels]
    return pixels[0][None] if len(pixels) == 1 else np.stack(pixels)


def _refused(wrong: Sequence[tuple[int, str, RefusedError]], count: int) -> RefusedError:
    """Return the one refusal of a request some of whose images cannot be read; all of them are named."""
    told = [{"index": i, "image": name, "code": one.code, "message": one.message} for i, name, one in wrong]
    index, name, first = wrong[0]
    where = f"image {index}{f' ({name})' if name else ''}: " if count > 1 else ""
    more = f" ({len(wrong) - 1} more of {count} images have errors)" if len(wrong) > 1 else ""
    return RefusedError(first.status, first.code, where + first.message + more, first.retry_after_s, told)
