"""Planted copies: how many of each kind `check` finds, and what else it reports.

    python -m bench copies --cifar10 CIFAR10_FOLDERS --trashnet TRASHNET --seeds 3
    python -m bench copies --trashnet TRASHNET --other --sheet sheets/

Each seed plants copies (tests/planting.py: --other plants the kinds that are not promised) and searches. Pairs that
were not planted are counted as `unplanted`: published sets hold copies of their own. --sheet draws them, a PNG for each
set and seed, to be looked at; --false SET=WRONG/SEEN keeps what was seen in the record. --data-dir adds the digits and
Fashion-MNIST as they are, where all pairs found are counted: alike is not the same there.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from tests.planting import NEAR, OTHER, Fault, plant

import striate
from bench.record import write
from striate.checks.copies import Copies, find_copies_in
from striate.data.imageset import ImageSet

_PX, _ACROSS, _DRAWN = 96, 8, 96


def searched(source: Path) -> tuple[ImageSet, Copies, dict[str, Any]]:
    catalog = striate.read(source)
    images = striate.prepare(catalog)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    copies = find_copies_in(images, catalog)
    seconds = {"wall_s": round(time.perf_counter() - wall_s, 1), "cpu_s": round(time.process_time() - cpu_s, 1)}
    sizes = [len(group) for group in copies.groups]
    found = {
        "images": len(images),
        "pairs": len(copies.pairs),
        "groups": copies.count,
        "largest": max(sizes, default=1),
    }
    found["grouped_share"] = sum(sizes) / len(images)
    return images, copies, {**found, **seconds}


def judged(images: ImageSet, copies: Copies, faults: list[Fault]) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """Return the share found of each kind, how many pairs were not planted, and these."""
    place = {name: i for i, name in enumerate(images.names)}
    true = {(min(i, j), max(i, j)): f.fault for f in faults if f.of for i, j in [(place[f.of], place[f.file])]}
    reported = [(i, j) for i, j in copies.pairs.tolist()]
    found, planted = set(reported), defaultdict(list)
    for pair, fault in true.items():
        planted[fault].append(pair in found)
    kinds = {fault: sum(hits) / len(hits) for fault, hits in planted.items()}
    near = [hit for fault, hits in planted.items() if fault != "exact" for hit in hits]
    unplanted = [pair for pair in reported if pair not in true]
    told = {"found": kinds, "near_found": sum(near) / len(near), "near": len(near), "unplanted": len(unplanted)}
    return told, unplanted


def draw(images: ImageSet, pairs: list[tuple[int, int]], to: Path) -> None:
    """Draw some of the pairs side by side."""
    some = np.random.default_rng(0).permutation(len(pairs))[:_DRAWN]
    rows = -(-len(some) // _ACROSS)
    sheet = Image.new("RGB", (_ACROSS * (2 * _PX + 12), max(1, rows) * (_PX + 16)), "white")
    pen = ImageDraw.Draw(sheet)
    for k, at in enumerate(some):
        x, y = k % _ACROSS * (2 * _PX + 12), k // _ACROSS * (_PX + 16)
        for side, i in enumerate(pairs[at]):
            pixels = images.pixels[images.rows[i]]
            picture = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).convert("RGB")
            sheet.paste(picture.resize((_PX, _PX)), (x + side * _PX, y))
        pen.text((x, y + _PX), str(at), fill="black")
    to.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(to)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar10", type=Path, help="folders of PNG files")
    parser.add_argument("--trashnet", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--other", action="store_true")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--false", nargs="*", default=[], help="SET=WRONG/SEEN of pairs looked at")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    for name in ("cifar10", "trashnet"):
        for seed in range(options.seeds) if (source := getattr(options, name)) else ():
            with tempfile.TemporaryDirectory() as folder:
                faults = plant(source, Path(folder) / "set", seed, options.each, OTHER if options.other else NEAR)
                images, copies, told = searched(Path(folder) / "set")
                more, unplanted = judged(images, copies, faults)
                if options.sheet:
                    draw(images, unplanted, options.sheet / f"{name}-{seed}.png")
            result[f"{name}, seed {seed}"] = told | more
            print(name, seed, told | more, flush=True)
    own = {"digits": "identify-the-digits/Train/train.csv", "fashion_mnist": "fashion-mnist"}
    for name, path in own.items() if options.data_dir else ():
        images, copies, told = searched(options.data_dir / path)
        if options.sheet:
            draw(images, copies.pairs[~copies.exact].tolist(), options.sheet / f"{name}.png")
        result[name] = told
    seen = dict(one.split("=") for one in options.false)
    record = {"planted": "other kinds" if options.other else "promised kinds", "sources": result, "seen_false": seen}
    write("copies_other" if options.other else "copies", record, "from decoded images to pairs of copies")


if __name__ == "__main__":
    main()
