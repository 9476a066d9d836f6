"""Micro-batches: who waits goes together, every request gets its own answers, whatever becomes of its neighbours."""

import asyncio
import threading

import numpy as np
import pytest

from striate.shipping.service.batching import Batcher
from striate.shipping.service.runtimes import Judged


class Echo:
    """Says of each image its own first pixel; remembers its batches; holds the first back until it is let go."""

    name, batch = "echo", 8

    def __init__(self):
        self.batches, self.gate, self.begun = [], threading.Event(), threading.Event()

    def judge(self, pixels):
        self.begun.set()
        self.gate.wait(10)
        self.batches.append(len(pixels))
        if (pixels == 255).any():
            raise ValueError("poison")
        return Judged(pixels[:, 0, 0, :].astype(np.float32), pixels[:, 0, 0, 0] % 2 == 0)


def images(first, count):
    return np.arange(first, first + count, dtype=np.uint8)[:, None, None, None]


@pytest.fixture
def batcher():
    made = Batcher()
    made.start()
    yield made
    made.stop()
    assert not made.alive


def ask(batcher, runtime, requests, cancel=()):
    """Return the answer of each request, or what was raised; those to cancel are cancelled before the gate opens."""

    async def all_of_them():
        tasks = []
        for one in requests:
            tasks.append(asyncio.create_task(batcher.judge(runtime, one)))
            # The first is begun with, alone; the others find it there.
            while not runtime.begun.is_set():
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
        for i in cancel:
            tasks[i].cancel()
        await asyncio.sleep(0.01)
        runtime.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(all_of_them())


def test_requests_are_joined_and_parted_again(batcher):
    runtime = Echo()
    requests = [images(10 * i, count) for i, count in enumerate((1, 2, 3, 20, 1, 7))]
    for request, judged in zip(requests, ask(batcher, runtime, requests), strict=True):
        assert judged.probabilities[:, 0].tolist() == request[:, 0, 0, 0].tolist()
        assert judged.known.tolist() == (request[:, 0, 0, 0] % 2 == 0).tolist()
    assert runtime.batches[0] == 1  # nobody waits for a batch to fill
    assert runtime.batches[1:] == [8, 8, 8, 8, 1]


def test_one_that_cannot_be_computed_costs_no_other_its_answer(batcher):
    runtime = Echo()
    said = ask(batcher, runtime, [images(0, 1), images(1, 2), images(255, 1), images(3, 2)])
    assert isinstance(said[2], ValueError)
    assert [one.probabilities.ravel().tolist() for i, one in enumerate(said) if i != 2] == [[0], [1, 2], [3, 4]]
    assert batcher.alive


def test_who_has_left_is_not_computed(batcher):
    runtime = Echo()
    said = ask(batcher, runtime, [images(0, 1), images(1, 5), images(9, 1)], cancel=[1])
    assert isinstance(said[1], asyncio.CancelledError)
    assert runtime.batches == [1, 1]


def test_models_take_turns(batcher):
    one, other = Echo(), Echo()
    other.gate.set()

    async def both():
        tasks = [asyncio.create_task(batcher.judge(one, images(i, 1))) for i in range(3)]
        await asyncio.sleep(0.01)
        tasks.append(asyncio.create_task(batcher.judge(other, images(9, 1))))
        await asyncio.sleep(0.01)
        one.gate.set()
        return await asyncio.gather(*tasks)

    assert [judged.probabilities.item() for judged in asyncio.run(both())] == [0, 1, 2, 9]
    assert other.batches == [1]
