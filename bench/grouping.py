"""How long the search for groups takes, how many images it puts together, and how many of a burst's frames it finds.

Needs the published data sets: --data-dir or STRIATE_DATA; --trashnet, a folder of photographs; --bursts, folders of
bursts, each with train/<class>/… and objects.csv (file,object), which says what belongs together. Equal images are not
counted as found: they need no search. --sheets FOLDER draws, for each source, pairs at random and its largest groups: a
look at them tells how many are false.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import striate
from bench.record import write
from striate.data.grouping.groups import Groups, group_images
from striate.data.imageset import ImageSet


def pairs(*ids: np.ndarray) -> int:
    """Return how many pairs of images have all of these ids (n,) in common."""
    sizes = np.unique(np.stack(ids), axis=1, return_counts=True)[1]
    return int((sizes * (sizes - 1) // 2).sum())


def figures(images: ImageSet, groups: Groups, seconds: float) -> dict[str, Any]:
    _, first, inverse = np.unique(images.hashes, return_index=True, return_inverse=True)
    _, group, sizes = np.unique(groups.ids[first], return_inverse=True, return_counts=True)
    result = {
        "images": len(images),
        "seconds": round(seconds, 1),
        "grouped_share": float((sizes[group] > 1)[inverse].mean()),
        "groups": groups.count,
        "largest": int(sizes.max()),
    }
    if (images.splits == "test").any():
        test = images.splits == "test"
        result["test_images_like_train"] = int(np.isin(groups.ids[test], groups.ids[~test]).sum())
    return result


def judged(images: ImageSet, groups: Groups, folder: Path) -> dict[str, float]:
    """Return which share of the pairs of frames of one object is found, and of those found is true."""
    with (folder / "objects.csv").open() as file:
        known = {row["file"]: row["object"] for row in csv.DictReader(file)}
    objects = np.unique([known[f"train/{name}"] for name in images.names], return_inverse=True)[1]
    both = pairs(groups.ids, objects)
    return {"recall": both / pairs(objects), "precision": both / max(1, pairs(groups.ids))}


def draw_sheet(images: ImageSet, groups: Groups, path: Path) -> None:
    """Draw a hundred groups of two images, at random, ten a row, and below them the ten largest groups."""
    _, inverse, sizes = np.unique(groups.ids, return_inverse=True, return_counts=True)
    twos = np.random.default_rng(0).permutation(np.flatnonzero(sizes == 2))[:100]
    shown = [np.flatnonzero(np.isin(inverse, twos[start : start + 10])) for start in range(0, len(twos), 10)]
    shown = [rows[np.argsort(inverse[rows], kind="stable")] for rows in shown]
    shown += [np.flatnonzero(inverse == group)[:20] for group in np.argsort(-sizes, kind="stable")[:10]]
    sheet = Image.new("RGB", (20 * 64, 64 * len(shown)), "white")
    for down, rows in enumerate(shown):
        for across, row in enumerate(rows):
            tile = Image.fromarray(images.pixels[images.rows[row]].squeeze()).resize((62, 62))
            sheet.paste(tile, (64 * across, 64 * down))
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    parser.add_argument("--trashnet", type=Path)
    parser.add_argument("--bursts", type=Path, nargs="*", default=[])
    parser.add_argument("--sheets", type=Path)
    options = parser.parse_args()
    sources: dict[str, tuple[Path, Path | None]] = {path.name: (path / "train", path) for path in options.bursts}
    if options.trashnet:
        sources["trashnet"] = (options.trashnet, None)
    if options.data_dir:
        folder = Path(options.data_dir)
        sources["digits"] = (folder / "identify-the-digits" / "Train" / "train.csv", None)
        sources["fashion_mnist"] = (folder / "fashion-mnist", None)
        sources["cifar10"] = (folder / "cifar-10-batches-py", None)
    result = {}
    for name, (source, bursts) in sources.items():
        images = striate.prepare(striate.read(source))
        start = time.perf_counter()
        groups = group_images(images)
        result[name] = figures(images, groups, time.perf_counter() - start)
        result[name] |= judged(images, groups, bursts) if bursts else {}
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            draw_sheet(images, groups, options.sheets / f"{name}.png")
    write("grouping", {"sources": result}, "from decoded images to groups")


if __name__ == "__main__":
    main()
