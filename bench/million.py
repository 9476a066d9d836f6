"""Whether time grows with the number of images alone, and how much memory it takes: up to a million files of 32×32.

The images are CIFAR-10's training images over and over, each time shifted, perhaps mirrored, brighter or darker, and
with noise, as PNG files in class folders; the folder grows from one number to the next. Each stage is a process of its
own, its peak of memory told above that of its imports:

prepare   `striate.read` of the folder and `striate.prepare` into an empty cache
again     the same, from the cache
dataset   what a training does before its first step: read, prepared from the cache, grouped, split; --groups says how
epoch     one epoch of swift_xs on some of the images (--epoch), carried over to all of them
predict   `striate predict MODEL FOLDER --csv` of all of the images, or of so many (--predicted)

Beyond --distinct images, files are links to earlier ones: they are read and decoded like others.

    python -m bench million --data-dir DATA --counts 100000 300000 1000000
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from PIL import Image

import striate
from bench.record import write

# Files that one task writes.
AT_ONCE = 5_000
CLOCK = "each stage in a process of its own, after the imports; predicting is the whole command"

STAGES = {
    "prepare": """
catalog = striate.read(folder)
read_s = time.perf_counter() - start
images = striate.prepare(catalog)
told = {"read_s": read_s, "images": len(images)}
""",
    "dataset": """
dataset = make_dataset(folder, DataOptions(groups=sys.argv[2]), 0, Observer())
told = {"groups": dataset.groups.count}
""",
    "epoch": """
rows = np.linspace(0, len(catalog) - 1, int(sys.argv[2])).astype(np.int64)
result = run_one(catalog.subset(rows), net="swift_xs", epochs=1, groups="none", precision="float32")
result.classifier.save(sys.argv[3])
told = {"train_s": result.train_s}
""",
}
CODE = """
import json, sys, time
import numpy as np
import striate, striate.data.preparing.prepare, striate.data.reading
from striate.data.dataset import DataOptions, make_dataset
from striate.observer import Observer
from striate.selection.fit import run_one
from bench.record import peak_bytes
{before}
base = peak_bytes()
folder, start = sys.argv[1], time.perf_counter()
{stage}
told["seconds"] = time.perf_counter() - start
told["peak_above_start_bytes"] = peak_bytes() - base
print(json.dumps(told))
"""


def jittered(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images uint8 (n, h, w, c), each moved by up to four pixels, mirrored or not, brighter or darker."""
    n, h, w, _ = pixels.shape
    padded = np.pad(pixels, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    top, left = rng.integers(0, 9, (2, n))
    rows, columns = top[:, None] + np.arange(h), left[:, None] + np.arange(w)
    moved = padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    moved = np.where(rng.random((n, 1, 1, 1)) < 0.5, moved[:, :, ::-1], moved).astype(np.float32)
    changed = moved * rng.uniform(0.8, 1.2, (n, 1, 1, 1)) + rng.normal(0, 2, moved.shape)
    return changed.clip(0, 255).astype(np.uint8)


def write_files(folder: Path, cifar: Path, first: int, last: int) -> None:
    """Write the images of these numbers."""
    catalog = striate.read(cifar).train
    images, rng = np.asarray(catalog.images), np.random.default_rng(first)
    numbers = np.arange(first, last)
    rows = numbers % len(images)
    if (folder / catalog.classes[catalog.labels[rows[-1]]] / f"{last - 1:07}.png").exists():
        return
    for number, label, pixels in zip(numbers, catalog.labels[rows], jittered(images[rows], rng), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        (folder / catalog.classes[label] / f"{number:07}.png").write_bytes(buffer.getvalue())


def grow(folder: Path, cifar: Path, upto: int, distinct: int) -> None:
    """Write the files of a folder up to so many; those that are there stay."""
    catalog = striate.read(cifar).train
    for name in catalog.classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
    starts = range(0, min(upto, distinct), AT_ONCE)
    Parallel(os.cpu_count())(delayed(write_files)(folder, cifar, s, min(s + AT_ONCE, upto)) for s in starts)
    for number in range(distinct, upto):
        place = folder / catalog.classes[catalog.labels[number % distinct % len(catalog)]]
        with suppress(FileExistsError):
            os.link(place / f"{number % distinct:07}.png", place / f"{number:07}.png")


def stage(name: str, folder: Path, *more: object, before: str = "") -> dict[str, Any]:
    """Return the seconds and the peak of memory of a stage in a process of its own."""
    code = CODE.format(stage=STAGES[name], before=before)
    words = [sys.executable, "-c", code, str(folder), *map(str, more)]
    return json.loads(subprocess.check_output(words, text=True).splitlines()[-1])


def predict(folder: Path, count: int, model: Path, scratch: Path) -> dict[str, Any]:
    """Return the seconds and the peak of memory of the command, for so many of a folder's images."""
    some = scratch / "some"
    shutil.rmtree(some, ignore_errors=True)
    some.mkdir()
    for path in islice(folder.glob("*/*.png"), count):
        (some / path.name).hardlink_to(path)
    command = [sys.executable, "-m", "striate", "predict", str(model), str(some), "--csv", str(scratch / "some.csv")]
    (scratch / "some.csv").unlink(missing_ok=True)
    code = (
        "import json, resource, subprocess, sys, time; start = time.perf_counter(); "
        "subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL); "
        "print(json.dumps({'seconds': time.perf_counter() - start, "
        "'peak_bytes': resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024}))"
    )
    return json.loads(subprocess.check_output([sys.executable, "-c", code, *command], text=True))


def figures(folder: Path, count: int, options: argparse.Namespace, scratch: Path) -> dict[str, float]:
    """Return the figures of one number of images."""
    found: dict[str, float] = {"images": count}
    shutil.rmtree(scratch / "cache", ignore_errors=True)
    model = scratch / "model.striate"
    prepared, again = stage("prepare", folder), stage("prepare", folder)
    found |= {"read_s": prepared["read_s"], "prepare_s": prepared["seconds"] - prepared["read_s"]}
    found |= {"prepare_peak_bytes": prepared["peak_above_start_bytes"], "again_s": again["seconds"]}
    dataset = stage("dataset", folder, options.groups)
    found |= {"dataset_s": dataset["seconds"], "dataset_peak_bytes": dataset["peak_above_start_bytes"]}
    learning = min(options.epoch, count)
    one = stage("epoch", folder, learning, model, before="catalog = striate.read(sys.argv[1])")
    found |= {"epoch_s": one["train_s"] * count / learning}
    some = min(options.predicted, count)
    predicted = predict(folder, some, model, scratch)
    found |= {"predict_s": predicted["seconds"], "predict_peak_bytes": predicted["peak_bytes"]}
    for name in ("prepare", "dataset"):
        found[f"{name}_images_per_s"] = count / found[f"{name}_s"]
    found["predict_images_per_s"] = some / found["predict_s"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("STRIATE_DATA"))
    parser.add_argument("--counts", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--epoch", type=int, default=50_000, help="images of the epoch that is measured")
    parser.add_argument("--predicted", type=int, default=1_000_000, help="images that are predicted at most")
    parser.add_argument("--distinct", type=int, default=1_000_000, help="images from which on files are links")
    parser.add_argument("--groups", default="none", help="as of striate train; auto looks for near copies")
    parser.add_argument("--scratch", type=Path, help="where files that are left from an earlier run may lie")
    options = parser.parse_args()
    if not options.data_dir:
        sys.exit("name the folder of published data sets with --data-dir or STRIATE_DATA")
    cifar, rows = Path(options.data_dir) / "cifar-10-batches-py", {}
    with tempfile.TemporaryDirectory() as own:
        scratch = options.scratch or Path(own)
        os.environ["STRIATE_CACHE"] = str(scratch / "cache")
        folder = scratch / "images"
        settings = {"net": "swift_xs", "groups": options.groups, "distinct": options.distinct}
        settings |= {"epoch_measured_on": options.epoch, "predicted": options.predicted}
        for count in sorted(options.counts):
            grow(folder, cifar, count, options.distinct)
            rows[f"{count:,} images"] = figures(folder, count, options, scratch)
            settings["load_average"] = round(os.getloadavg()[1], 1)
            write("million", settings | {"counts": rows}, CLOCK)


if __name__ == "__main__":
    main()
