"""Pictures that somebody enlarged: does the ladder see what they really show, and reach what the originals reach?

Some of CIFAR-10's training images, in gray, are written as PNG files twice: as they are, and enlarged to 224 pixels a
side. The ladder is climbed on both, each by the whole command.

    python -m bench enlarged --budget 5m
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

import striate
from bench.budgets import one_run
from bench.record import write
from striate.data.preparing.prepare import prepare

SIDE_PX = 224


def write_folders(folder: Path, data_dir: str, count: int, side: int) -> Path:
    """Write the first `count` training images, in gray, at `side` pixels a side, a folder for each class."""
    catalog = striate.read(Path(data_dir) / "cifar-10-batches-py")
    images = prepare(catalog.subset((catalog.splits == "train").nonzero()[0][:count]))
    for name in images.classes:
        (folder / name).mkdir(parents=True)
    for i, (row, label) in enumerate(zip(images.rows, images.labels, strict=True)):
        gray = Image.fromarray(images.pixels[row]).convert("L")
        gray.resize((side, side), Image.Resampling.BICUBIC).save(folder / images.classes[label] / f"{i}.png")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--images", type=int, default=20_000)
    options = parser.parse_args()
    if not options.data_dir:
        parser.error("give --data-dir, or set STRIATE_DATA")
    runs = {}
    with TemporaryDirectory() as made:
        for name, side in (("enlarged", SIDE_PX), ("originals", 32)):
            folder = write_folders(Path(made) / name, options.data_dir, options.images, side)
            runs[name] = one_run(str(folder), options.budget, None, [])
            print(name, runs[name], flush=True)
    share = runs["enlarged"]["test_accuracy"] / runs["originals"]["test_accuracy"]
    record = {"budget": options.budget, "images": options.images, "share_of_originals_accuracy": share, "runs": runs}
    write("enlarged", record, "the whole command, from outside")


if __name__ == "__main__":
    main()
