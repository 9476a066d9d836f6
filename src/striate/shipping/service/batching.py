"""Micro-batching: while a batch is computed the next images gather, and all that wait go together.

An idle service answers one image at once. A busy one, whose last batch had several, waits a moment for the next to
fill, no longer than that batch took: each costs something, however few images it has.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from striate.shipping.service.runtimes import Judged, Runtime

_NICER = 5
# How long a busy service waits for a batch to fill, at most; and for how long after a batch it counts as busy.
_GATHER_S, _BUSY_S = 0.005, 0.05


def step_back() -> None:
    """Let the calling thread, and those that it starts, yield the processor to those that answer; where that can be."""
    try:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _NICER))
    except (AttributeError, OSError):  # not on Windows; on macOS it would be the whole process
        return


class _Asked:
    """The images of one request: what is known of them, and who waits."""

    __slots__ = ("future", "known", "left", "loop", "pixels", "probabilities", "since", "start")

    def __init__(self, pixels: np.ndarray, future: asyncio.Future[Judged], loop: asyncio.AbstractEventLoop):
        self.pixels, self.future, self.loop = pixels, future, loop
        self.start, self.left, self.since = 0, len(pixels), time.perf_counter()
        self.probabilities: list[np.ndarray] = []
        self.known: list[np.ndarray | None] = []

    def judged(self) -> Judged:
        if len(self.known) == 1:
            return Judged(self.probabilities[0], self.known[0])
        known = [one for one in self.known if one is not None]
        return Judged(np.concatenate(self.probabilities), np.concatenate(known) if known else None)


Slice = tuple[_Asked, int, int]


class Batcher:
    """One thread that computes, for all models: two at once would only hold each other up.

    Arguments:
        watch: is told of each batch: the model's runtime, how many images, how many seconds.
    """

    def __init__(self, watch: Callable[[Runtime, int, float], object] = lambda runtime, images, seconds: None):
        self._watch = watch
        self._queues: dict[Runtime, deque[_Asked]] = {}
        self._changed = threading.Condition()
        self._stopped = self._idle = False
        self._last_images, self._last_s, self._ended = 0, 0.0, 0.0
        self._thread = threading.Thread(target=self._run, name="striate-batches", daemon=True)

    def start(self) -> None:
        """Begin to compute."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it computes."""
        return self._thread.is_alive()

    def stop(self, wait_s: float = 5.0) -> None:
        """End after the batch that is being computed; who still waits is cancelled."""
        with self._changed:
            self._stopped = True
            waiting = [asked for queue in self._queues.values() for asked in queue]
            self._queues.clear()
            self._changed.notify()
        for asked in waiting:
            asked.loop.call_soon_threadsafe(asked.future.cancel)
        self._thread.join(wait_s)

    async def judge(self, runtime: Runtime, pixels: np.ndarray) -> Judged:
        """Return what a runtime says of images uint8 (n, h, w, c), n > 0; cancelled, they are not computed any more."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Judged] = loop.create_future()
        asked = _Asked(pixels, future, loop)
        with self._changed:
            if self._stopped:
                raise RuntimeError("the batcher has stopped")
            queue = self._queues.setdefault(runtime, deque())
            queue.append(asked)
            if self._idle or _images_in(queue, runtime.batch) >= runtime.batch:
                self._changed.notify()
        return await future

    def _run(self) -> None:
        from striate.system.devices import fitting_threads

        step_back()
        with fitting_threads():
            while True:
                with self._changed:
                    self._idle = True
                    while not self._queues and not self._stopped:
                        self._changed.wait()
                    self._idle = False
                    self._gather()
                    if self._stopped:
                        return
                    runtime, batch = self._next()
                if batch:
                    self._compute(runtime, batch)

    def _gather(self) -> None:
        """Wait for more images, where the last batch was of several and has just ended."""
        now = time.perf_counter()
        if self._last_images < 2 or now > self._ended + _BUSY_S:
            return
        end = now + min(_GATHER_S, self._last_s)
        while not self._stopped and now < end:
            if any(_images_in(queue, runtime.batch) >= runtime.batch for runtime, queue in self._queues.items()):
                return
            self._changed.wait(end - now)
            now = time.perf_counter()

    def _next(self) -> tuple[Runtime, list[Slice]]:
        """Take a batch of the model whose first images wait longest."""
        runtime = min(self._queues, key=lambda one: self._queues[one][0].since)
        queue, room, batch = self._queues[runtime], max(1, runtime.batch), list[Slice]()
        while queue and room:
            asked = queue[0]
            if asked.future.done():  # cancelled: its time is over, or its client gone
                queue.popleft()
                continue
            stop = min(len(asked.pixels), asked.start + room)
            batch.append((asked, asked.start, stop))
            room -= stop - asked.start
            asked.start = stop
            if stop == len(asked.pixels):
                queue.popleft()
        if not queue:
            del self._queues[runtime]
        return runtime, batch

    def _compute(self, runtime: Runtime, batch: list[Slice]) -> None:
        start = time.perf_counter()
        try:
            pixels = [asked.pixels[first:stop] for asked, first, stop in batch]
            judged = runtime.judge(pixels[0] if len(pixels) == 1 else np.concatenate(pixels))
        except Exception as error:
            if len(batch) == 1:
                _deliver(batch, error)
            else:  # one request's images must not cost the others their answers
                for one in batch:
                    self._compute(runtime, [one])
            return
        self._ended = time.perf_counter()
        self._last_images, self._last_s = len(judged.probabilities), self._ended - start
        self._watch(runtime, self._last_images, self._last_s)
        at, finished = 0, list[Slice]()
        for one in batch:
            asked, first, stop = one
            count = stop - first
            asked.probabilities.append(judged.probabilities[at : at + count])
            asked.known.append(None if judged.known is None else judged.known[at : at + count])
            at, asked.left = at + count, asked.left - count
            if not asked.left:
                finished.append(one)
        _deliver(finished, None)


def _images_in(queue: deque[_Asked], enough: int) -> int:
    """Return how many images wait in a queue; no more are counted than are enough."""
    count = 0
    for asked in queue:
        count += len(asked.pixels) - asked.start
        if count >= enough:
            break
    return count


def _deliver(finished: list[Slice], error: Exception | None) -> None:
    """Wake those whose images are done, with one call for all of a loop."""
    loops: dict[asyncio.AbstractEventLoop, list[_Asked]] = {}
    for asked, *_ in finished:
        loops.setdefault(asked.loop, []).append(asked)
    for loop, some in loops.items():
        try:
            loop.call_soon_threadsafe(_wake, some, error)
        except RuntimeError:  # the loop has ended, and nobody waits any longer
            continue


def _wake(some: list[_Asked], error: Exception | None) -> None:
    for asked in some:
        if asked.future.done():
            continue
        if error is None:
            asked.future.set_result(asked.judged())
        else:
            asked.future.set_exception(error)
