"""What each augmentation costs: µs per image for each word, on one thread and on all of them.

The best of several runs on the CPU, on batches of random pixels, channels-last in memory. `python -m bench augmentation
--device cuda` measures a GPU instead, `--json FILE` writes the figures to a file.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from bench.record import machine
from striate.training.augmentation import AUGMENTATIONS, make_augmentation

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="by default every word with its defaults, and a usual list")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    device = torch.device(options.device)
    words = options.words or [*AUGMENTATIONS, "flip translate(4) cutout(8)"]
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
    if options.json:
        record = {"name": "augmentation", "us_per_image": columns, "rounds": options.rounds, "machine": machine()}
        options.json.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
