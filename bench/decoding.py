"""How fast JPEG photographs become training images, against decoding and resizing them alone.

Alone: of each file Pillow's `Image.open`, `draft` to three times the size that is wanted or more (libjpeg decodes at a
half, a quarter or an eighth where that is enough), `convert("RGB")`, and `resize` (bilinear) of the shorter side, in
two threads or more; Pillow lets go of Python's lock meanwhile. Nothing is kept. Whole: `striate.read` and
`striate.prepare` of the folder into an empty cache: finding and digesting the files, decoding, turning by EXIF, fitting
to the size, writing the arrays. In turns; the share is of the whole's rate in the other's, of the same turn, by the
clock and by the processor's time: beside other work the clock says little.

Photographs of your own with --photos; else drawn ones of 512×384 pixels. Large ones are made of them, from seeds: 4,000
× 3,000 pixels with grain. The peak of memory is that of a fresh process above its imports, of half of the large files
and of all.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

import striate
from bench.record import summary, write
from striate.system.devices import usable_cpus

GAP = 3
LARGE = (4000, 3000)
MEMORY = """
import sys
import striate, striate.data.preparing.prepare, striate.data.reading
from bench.record import peak_bytes
base = peak_bytes()
catalog = striate.read(sys.argv[1])
striate.prepare(catalog.subset(range(int(sys.argv[2]))), size=(int(sys.argv[3]),) * 2)
print(peak_bytes() - base)
"""


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


def enlarge(files: list[Path], folder: Path, count: int) -> None:
    """Write so many photographs of twelve megapixels: others enlarged, with grain, each of its own seed."""

    def make(number: int) -> None:
        rng = np.random.default_rng(number)
        with Image.open(files[number % len(files)]) as image:
            large = np.asarray(image.convert("RGB").resize(LARGE, Image.Resampling.BICUBIC))
        grain = rng.integers(0, 9, (3064, 4064, 3), np.uint8)[rng.integers(64) :, rng.integers(64) :][:3000, :4000]
        noisy = np.clip(large, 4, 251) + grain - 4
        place = folder / f"class {number % 2}" / f"{number:05}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(place, quality=88)

    with ThreadPoolExecutor(usable_cpus()) as pool:
        list(pool.map(make, range(count)))


def alone(files: list[Path], side: int) -> None:
    """Decode and resize the files, and keep nothing."""

    def decode(path: Path) -> None:
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            scale = side / min(image.size)
            small = [round(length * scale) for length in image.size]
            image.draft("RGB", [GAP * length for length in small])
            image.convert("RGB").resize(small, Image.Resampling.BILINEAR)

    with ThreadPoolExecutor(usable_cpus()) as pool:
        list(pool.map(decode, files))


def whole(folder: Path, side: int) -> None:
    """Read and prepare a folder into an empty cache."""
    striate.prepare(striate.read(folder), size=(side, side))
    shutil.rmtree(os.environ["STRIATE_CACHE"])


def clocked(act: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds of the clock and of the processor that something takes."""
    start, busy = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - start, time.process_time() - busy


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the rates of both ways and the share that one has of the other."""
    files = sorted(folder.glob("*/*.jpg"))
    found: dict[str, list[float]] = {}
    for _ in range(options.runs):
        bare_s, bare_cpu_s = clocked(lambda: alone(files, options.size))
        all_s, all_cpu_s = clocked(lambda: whole(folder, options.size))
        told = {
            "decode_and_resize_per_s": len(files) / bare_s, "read_and_prepare_per_s": len(files) / all_s,
            "share": bare_s / all_s, "processor_share": bare_cpu_s / all_cpu_s,
        }  # fmt: skip
        for name, value in told.items():
            found.setdefault(name, []).append(value)
    return {name: summary(values) for name, values in found.items()}


def peak_of(folder: Path, count: int, side: int) -> int:
    """Return the peak of memory of reading and preparing the first files of a folder."""
    words = [sys.executable, "-c", MEMORY, str(folder), str(count), str(side)]
    told = int(subprocess.check_output(words, text=True))
    shutil.rmtree(os.environ["STRIATE_CACHE"])
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of class folders of JPEG files")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--large", type=int, default=100, help="how many of twelve megapixels; 0 for none")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as own:
        os.environ["STRIATE_CACHE"] = str(Path(own) / "cache")
        folder, large = options.photos or Path(own) / "drawn", Path(own) / "large"
        if not options.photos:
            draw(folder, 300)
        files = sorted(folder.glob("*/*.jpg"))
        result: dict[str, Any] = {"photographs": compare(folder, options)}
        if options.large:
            enlarge(files, large, options.large)
            result["large"] = compare(large, options)
            counts = (options.large // 2, options.large)
            result["large"] |= {f"peak_of_{n}_bytes": peak_of(large, n, options.size) for n in counts}
        megapixels = sum(math.prod(Image.open(path).size) for path in files) / 1e6
    settings = {
        "source": "drawn" if not options.photos else folder.name, "files": len(files),
        "megapixels": round(megapixels), "large_files": options.large, "size": options.size,
        "load_average": round(os.getloadavg()[1], 1),
        "libjpeg_turbo": features.version("libjpeg_turbo"),
    }  # fmt: skip
    write("decoding", settings | result, "from files in the disk's cache; read_and_prepare to arrays in an empty cache")


if __name__ == "__main__":
    main()
