"""How near a training step comes to what the machine can do, and what its data handling takes.

A step of swift_m is timed as the loop makes it: batch from memory, augmentation, normalising, shrinking, forward,
backward, update; on whole images and on those of half the side, with which the recipe begins. The limit is the fastest
product of two square matrices, measured here in the same precision. A step's work is counted from the layer table: a
multiply-add is two operations, and forward and backward take three times the forward pass (the whitening filters, which
do not learn, count as if they did).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from itertools import product

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import numpy as np
import torch

from bench.record import summary, write
from striate.augmentation import make_augmentation
from striate.classifier.preprocessing import measure
from striate.data.preparing.prepare import prepare
from striate.data.readers.arrays import read_arrays
from striate.data.tensors import Pixels
from striate.nets import make_module, resolve
from striate.system.devices import kept_memory
from striate.training.engine.batches import training_batches
from striate.training.engine.learner import Learner
from striate.training.engine.resizing import shrink
from striate.training.engine.timing import CANDIDATES
from striate.training.recipe import load_recipe

PRODUCT_SIDE, SIDES, AUGMENT = 2048, (32, 16), ("alternating_flip translate(2)",)
DEVICE = torch.device("cpu")


def seconds_of(run: Callable[[], object], rounds: int) -> list[float]:
    """Return the seconds of each round but the first, which is not counted."""
    found = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        run()
        found.append(time.perf_counter() - start)
    return found[1:]


def product_rate(kind: torch.dtype, rounds: int) -> float:
    """Return the operations a second of the fastest product of two matrices of a type."""
    left, right = (torch.randn(PRODUCT_SIDE, PRODUCT_SIDE).to(kind) for _ in range(2))
    return 2 * PRODUCT_SIDE**3 / min(seconds_of(lambda: left @ right, rounds))


def step_seconds(net: str, batch: int, precision: str, side: int, rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds of whole steps on images shrunk to `side`, and of the data handling within each."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20 * batch, 32, 32, 3), np.uint8)
    data = prepare(read_arrays((images, rng.integers(0, 10, len(images)))), keep=False)
    recipe = load_recipe("swift-79").replace(batch_size=batch, augment=AUGMENT, precision=precision)
    preprocessing = measure(data.pixels, data.rows[: 2 * batch], "channel", "crop")
    module = make_module(resolve(net, classes=10, channels=3), (3, 32, 32)).train()
    learner, augment = Learner(module, recipe, DEVICE, precision), make_augmentation(recipe.augment, 10)
    batches, generator, handling = training_batches(Pixels(data, DEVICE), recipe, 0, 0), torch.Generator(), []

    def step() -> None:
        start = time.perf_counter()
        taken = next(batches)
        pixels, labels = augment(taken.pixels, taken.labels, generator, indices=taken.indices)
        images = shrink(preprocessing.normalise(pixels), (side, side))
        handling.append(time.perf_counter() - start)
        learner.update(images, labels, 1e-3)

    with kept_memory():  # as in training
        return seconds_of(step, rounds), handling[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="swift_m")
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    net = resolve(options.net, classes=10, channels=3)
    rates = {"float32": product_rate(torch.float32, 5), "bfloat16": product_rate(torch.bfloat16, 5)}
    rows = {}
    for precision, side in product(CANDIDATES, SIDES):
        steps, handling = step_seconds(options.net, options.batch, precision, side, options.rounds)
        limit, work = rates[precision.split("-")[0]], 6 * net.table((3, side, side)).multiply_adds * options.batch
        rows[f"{precision} {side}×{side}"] = {
            "images_per_s": summary([options.batch / s for s in steps]),
            "teraflops": summary([work / s / 1e12 for s in steps]),
            "matrix_product_teraflops": limit / 1e12,
            "share_of_limit": summary([work / s / limit for s in steps]),
            "data_share": summary([d / s for d, s in zip(handling, steps, strict=True)]),
        }
    settings = {"net": options.net, "batch": options.batch, "augment": list(AUGMENT), "matrix_side": PRODUCT_SIDE}
    clock = "a whole step: batch from memory, augmentation, normalising, shrinking, forward, backward, update"
    write("share", settings | {"steps": rows}, clock)


if __name__ == "__main__":
    main()
