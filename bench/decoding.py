"""How fast JPEG photographs become training images, against decoding them alone.

Alone: Pillow's `Image.open(…).convert("RGB")` of bytes in memory, at full size, in as many threads; Pillow decodes with
libjpeg-turbo and lets go of Python's lock meanwhile. With the resize that follows (bilinear): the same and
`Image.resize`. Whole: `striate.read` and `striate.prepare` of the folder into an empty cache: finding and hashing the
files, decoding, turning by EXIF, fitting to the size, writing the arrays.

Photographs of your own with --photos; else drawn ones of 512×384 pixels.
"""

from __future__ import annotations

import argparse
import io
import math
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, features

import striate
from bench.record import summary, write
from striate.system.devices import usable_cpus


def draw(folder: Path, count: int) -> None:
    """Write JPEG files that compress like photographs: clouds of several sizes with some grain."""
    rng = np.random.default_rng(0)
    for number in range(count):
        cloud = np.zeros((384, 512, 3))
        for cells in (3, 12, 48, 192):
            small = Image.fromarray(rng.integers(0, 256, (cells * 3 // 4, cells, 3), np.uint8))
            cloud += np.asarray(small.resize((512, 384), Image.Resampling.BICUBIC), float) / cells**0.5
        cloud = (cloud - cloud.min()) / np.ptp(cloud) * 240 + rng.normal(0, 4, cloud.shape)
        place = folder / f"class {number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(cloud.clip(0, 255).astype(np.uint8)).save(place / f"{number}.jpg", quality=90)


def decode_all(files: list[bytes], threads: int, side: int | None = None) -> float:
    """Return the images a second of plain decoding, and of resizing the shorter side to `side` as `prepare` does."""

    def decode(content: bytes) -> None:
        with Image.open(io.BytesIO(content)) as image:
            pixels = image.convert("RGB")
            if side is not None:
                pixels.resize(
                    [round(length * side / min(image.size)) for length in image.size], Image.Resampling.BILINEAR
                )

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(decode, files))
    return len(files) / (time.perf_counter() - start)


def prepare_all(folder: Path, side: int) -> float:
    """Return the images a second from a folder of files to arrays."""
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        images = striate.prepare(striate.read(folder), size=(side, side), cache_dir=Path(cache))
        return len(images) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of class folders of JPEG files")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as own:
        folder = options.photos or Path(own)
        if not options.photos:
            draw(folder, 300)
        files = [path.read_bytes() for path in sorted(folder.glob("*/*.jpg"))]
        ways = {f"decode_{threads}_threads": threads for threads in sorted({1, usable_cpus()})}
        found: dict[str, list[float]] = {name: [] for name in [*ways, "decode_and_resize", "read_and_prepare"]}
        for _ in range(options.runs):
            for name, threads in ways.items():
                found[name].append(decode_all(files, threads))
            found["decode_and_resize"].append(decode_all(files, usable_cpus(), options.size))
            found["read_and_prepare"].append(prepare_all(folder, options.size))
        megapixels = sum(math.prod(Image.open(io.BytesIO(content)).size) for content in files) / 1e6
    settings = {
        "photographs": "drawn" if not options.photos else folder.name, "files": len(files),
        "megapixels": round(megapixels), "megabytes": round(sum(map(len, files)) / 1e6), "size": options.size,
        "libjpeg_turbo": features.version("libjpeg_turbo"),
    }  # fmt: skip
    clock = "decoding alone from bytes in memory; read_and_prepare from the folder to arrays in an empty cache"
    write("decoding", settings | {"images_per_s": {name: summary(v) for name, v in found.items()}}, clock)


if __name__ == "__main__":
    main()
