"""What each augmentation costs: µs per image for each word, on one thread and on all of them.

The best of several runs on the CPU, on batches of random pixels, channels-last in memory; and the share of a training
step of a small net that gathering and augmenting a batch takes. `python -m bench augmentation --device cuda` measures a
GPU instead. Without words the figures are recorded.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np

# As the command line sets it, and before torch is imported: on a shared machine spinning threads cost milliseconds.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

import torch

from bench.record import write
from striate.augmentation import AUGMENTATIONS, make_augmentation
from striate.data.tensors import to_batch
from striate.nets import make_module, resolve

USUAL = "alternating_flip translate(4) cutout(8)"
NET = "conv(24, 2) gelu conv(32, 3, pad=1) maxpool(2) bn gelu conv(48, 3, pad=1) maxpool(2) bn gelu fc(classes)"
SHAPES = ((500, 3, 32, 32), (32, 3, 150, 150))


def best_s(run: Callable[[], object], device: torch.device, rounds: int) -> float:
    """Return the seconds of the fastest round, after one that is not counted."""
    best = float("inf")
    for number in range(rounds + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number:
            best = min(best, time.perf_counter() - start)
    return best


def measure(words: list[str], shape: tuple[int, ...], device: torch.device, rounds: int) -> dict[str, float]:
    """Return {word: µs per image}."""
    n, c, h, w = shape
    batch = torch.randint(0, 256, (n, h, w, c), dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
    labels = torch.arange(n, device=device) % 10
    generator = torch.Generator(device).manual_seed(0)
    found = {}
    for word in words:
        augment = make_augmentation([word], classes=10)
        run = lambda augment=augment: augment(batch, labels, generator, indices=torch.arange(n, device=device))  # noqa: E731
        found[word] = best_s(run, device, rounds) / n * 1e6
    return found


def share_of_step(device: torch.device, rounds: int) -> dict[str, float | str]:
    """Return µs per image of the data handling and of the whole step of a net that is quicker than most."""
    pixels = np.random.default_rng(0).integers(0, 256, (20_000, 32, 32, 3), dtype=np.uint8)
    rows = np.sort(np.random.default_rng(1).permutation(len(pixels))[:500])
    labels, indices = torch.arange(500, device=device) % 10, torch.from_numpy(rows).to(device)
    augment, generator = make_augmentation([USUAL], classes=10), torch.Generator(device).manual_seed(0)
    net = make_module(resolve(NET, classes=10, channels=3), (3, 32, 32)).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01)

    def data() -> torch.Tensor:
        return augment(to_batch(pixels[rows], device), labels, generator, indices=indices)[0]

    def step() -> None:
        batch = (data().float() - 127) / 64
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = net(batch)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
        optimiser.step()

    data_us, step_us = (best_s(run, device, rounds) / 500 * 1e6 for run in (data, step))
    return {"step_words": USUAL, "step_net": NET, "data_us": data_us, "step_us": step_us, "share": data_us / step_us}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="by default every word with its defaults, and a usual list")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    words = options.words or [*AUGMENTATIONS, USUAL]
    all_threads = torch.get_num_threads()
    columns = {}
    for shape in SHAPES:
        for threads in sorted({1, all_threads}) if device.type == "cpu" else (all_threads,):
            torch.set_num_threads(threads)
            where = f"{threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else device.type
            columns["×".join(map(str, shape)) + f", {where}"] = measure(words, shape, device, options.rounds)
    wide = max(len(word) for word in words)
    print("µs per image".ljust(wide), *columns, sep="  ")
    for word in words:
        print(word.ljust(wide), *(f"{column[word]:{len(title)}.2f}" for title, column in columns.items()), sep="  ")
    torch.set_num_threads(1)
    share = share_of_step(device, options.rounds)
    torch.set_num_threads(all_threads)
    print(
        f"gathering and {USUAL}: {share['data_us']:.1f} of a step's {share['step_us']:.0f} µs per image, "
        f"{share['share']:.1%} (one thread)"
    )
    if not options.words:
        by_word = {word: {title: column[word] for title, column in columns.items()} for word in words}
        found = {"best_of": options.rounds, **share, "us_per_image": by_word}
        write("augmentation", found, "a batch of random pixels on the device to the augmented batch")


if __name__ == "__main__":
    main()
