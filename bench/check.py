"""How many planted blank, dark, bright, blurred and enlarged images are found, how many others; seconds and memory.

Faults are planted into one image in fifty of each kind, in sets as they are and in the same sets by night (darkened to
a quarter). --sources: what holds images of one size; --timed: what is checked as a whole, by the command itself,
without labels and with an empty cache. Memory is flat if a set and a part of it take as much: name both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

import striate
from bench.record import write
from striate.checks.examined import Examined
from striate.checks.look import look_at_images
from striate.checks.pictures import find_odd_pictures
from striate.data.catalog import Catalog

SHARE, NIGHT, MOST = 0.02, 0.25, 10_000
# The command, which says at its end what it took itself.
MEASURED = """
import atexit, json, sys, time
from bench.record import peak_bytes
from striate.cli import main
atexit.register(lambda: print(json.dumps([time.process_time(), peak_bytes()]), file=sys.stderr))
main()
"""
KINDS = ("blank", "dark", "bright", "blurred", "enlarged", "low-detail")


def blurred(image: np.ndarray) -> np.ndarray:
    """Return an image out of focus: the spread is 2 pixels in the smallest images, and a sixtieth of larger ones."""
    radius = max(2.0, min(image.shape[:2]) / 60)
    picture = Image.fromarray(image if image.shape[2] == 3 else image[..., 0])
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius))).reshape(image.shape)


def enlarged(image: np.ndarray) -> np.ndarray:
    """Return an image that was made a quarter as large and enlarged again."""
    picture = Image.fromarray(image if image.shape[2] == 3 else image[..., 0])
    small = picture.resize((picture.width // 4, picture.height // 4), Image.Resampling.BICUBIC)
    return np.asarray(small.resize(picture.size, Image.Resampling.BICUBIC)).reshape(image.shape)


def faults(rng: np.random.Generator) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    return {
        "blank": lambda image: np.zeros_like(image) + rng.integers(0, 256, image.shape[2]).astype(np.uint8),
        "dark": lambda image: (image * 0.2).astype(np.uint8),
        "bright": lambda image: (255 - (255 - image) * 0.2).astype(np.uint8),
        "blurred": blurred,
        "enlarged": enlarged,
    }


def found(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return {kind: positions} of what is found in uint8 (n, h, w, c)."""
    count = len(images)
    names = [str(i) for i in range(count)]
    catalog = Catalog("memory", "arrays", names, images, np.zeros(count, np.int64), ("a",), np.full(count, "", "U5"))
    prepared = striate.prepare(catalog)
    findings = find_odd_pictures(Examined(catalog, prepared, look_at_images(catalog, prepared)))
    return {one.kind: np.array([int(name) for name in one.images]) for one in findings}


def measure(images: np.ndarray, seed: int) -> dict[str, Any]:
    """Return, for each kind, the share of the planted that is found, and of the found that is planted."""
    rng = np.random.default_rng(seed)
    planted, truth = images.copy(), np.full(len(images), "", "U10")
    count, order = max(10, int(SHARE * len(images))), rng.permutation(len(images))
    for k, (kind, change) in enumerate(faults(rng).items()):
        for i in order[k * count : (k + 1) * count]:
            planted[i], truth[i] = change(images[i]), kind
    result, nothing = found(planted), np.zeros(0, np.int64)
    everything = np.unique(np.concatenate([nothing, *(result.get(kind, nothing) for kind in KINDS)]))
    return {
        kind: {
            "found_share": float((truth[own] == kind).sum() / count) if kind in truth else None,
            "found_as_any_share": float((truth[everything] == kind).sum() / count) if kind in truth else None,
            "planted_share_of_found": float((truth[own] != "").mean()) if len(own) else None,
            "found_unplanted": int((truth[own] == "").sum()),
        }
        for kind in KINDS
        for own in [result.get(kind, nothing)]
    }


def pictures(source: Path) -> np.ndarray:
    """Return uint8 (n, h, w, c) of a source, at most 10,000, evenly taken."""
    images = striate.prepare(striate.read(source), progress=lambda *_: None)
    return images.images[np.unique(np.linspace(0, len(images) - 1, MOST).astype(np.int64))]


def timed(source: Path) -> dict[str, float]:
    """Return what `striate check --no-labels` takes of a source with an empty cache: a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        own = os.environ | {"STRIATE_CACHE": folder, "GOMP_SPINCOUNT": "3000"}
        words = [sys.executable, "-c", MEASURED, "check", str(source), "--no-labels", "--json", "--out", folder]
        start = time.perf_counter()
        done = subprocess.run(words, env=own, capture_output=True, text=True, check=False)
        wall_s, told = time.perf_counter() - start, json.loads(done.stdout)
        cpu_s, peak_bytes = json.loads(done.stderr.splitlines()[-1])
        page_bytes = Path(told["page"]).stat().st_size
    return {"images": told["images"], "seconds": round(wall_s, 1), "cpu_s": round(cpu_s, 1),
            "peak_mib": round(peak_bytes / 2**20), "page_mb": round(page_bytes / 1e6, 2),
            "load_average": round(os.getloadavg()[0], 1)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", nargs="*", default=[], metavar="NAME=PATH")
    parser.add_argument("--timed", nargs="*", default=[], metavar="NAME=PATH")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    options = parser.parse_args()
    sets: dict[str, Any] = {}
    for name, source in map(_named, options.sources):
        images = pictures(source)
        for when, seen in {"": images, " by night": (images * NIGHT).astype(np.uint8)}.items():
            own = {kind: len(rows) for kind, rows in found(seen).items()}
            runs = [measure(seen, seed) for seed in options.seeds]
            for kind in KINDS:
                figures = {key: _mean([run[kind][key] for run in runs]) for key in runs[0][kind]}
                told = {key: value for key, value in figures.items() if value is not None}
                sets[f"{name}{when}: {kind}"] = told | {"found_with_nothing_planted": own.get(kind, 0)}
    times = {name: timed(source) for name, source in map(_named, options.timed)}
    clock = "the whole command, with an empty cache; other processes ran beside where load_average is above 2"
    write("check", {"seeds": options.seeds, "sets": sets, "times": times}, clock)


def _named(told: str) -> tuple[str, Path]:
    name, _, path = told.partition("=")
    return name, Path(path)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None


if __name__ == "__main__":
    main()
