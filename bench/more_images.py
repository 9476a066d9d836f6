"""What more images will bring, foreseen from half of them and measured with all: how often does the interval hold.

Of each set, several seeds: a part of the training images is drawn, half of it measures a learning curve, what twice as
many will bring is foreseen, and then measured with all of the part, by the same head and the same images that judge.
CIFAR-10 and TrashNet stand on features of efficientnet_lite0, the digits and Fashion-MNIST on pixels.

    python -m bench more_images --seeds 0 1 2 3 4 --data-dir DATA --photos FOLDER
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import striate
from bench.record import summary, write
from striate.classifier.features import extract, net_features
from striate.classifier.pretrained import load_pretrained
from striate.data.dataset import find_groups, grouped
from striate.data.imageset import ImageSet
from striate.data.preparing.prepare import prepare
from striate.evaluation.frozen_curve import head_judge
from striate.evaluation.more_images import foresee, measure_curve
from striate.system.devices import fitting_threads

# How many images learn at most, and how many judge; and the shares of those that learn from which is foreseen.
LEARNING, JUDGING = 4_000, 2_000
# Of published sets so many images are drawn from.
POOL = 10_000
SHARES = (1.0, 0.25)


class Table(NamedTuple):
    """Features, labels and groups of a set's images; the first `learning` of a random order learn, the others judge."""

    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray | None


def photographs(folder: str) -> Table:
    catalog = striate.read(folder)
    images = prepare(catalog, (160, 160))
    images = grouped(images, find_groups(images, catalog, None))
    return Table(lite0(images, 160), images.labels, images.groups)


def published(name: str, data_dir: str, *, net: bool) -> Table:
    """Return some of the published training images; the test images are not looked at."""
    catalog = striate.read(name, data_dir=data_dir)
    catalog = catalog.train if "train" in catalog.splits else catalog
    rows = np.sort(np.random.default_rng(0).permutation(len(catalog))[:POOL])
    images = prepare(catalog.subset(rows), None)
    features = lite0(images, 96) if net else images.images.reshape(len(images), -1).astype(np.float32)
    return Table(features, images.labels, None)


def lite0(images: ImageSet, side: int) -> np.ndarray:
    body = net_features(load_pretrained("efficientnet_lite0", size=(side, side)), "efficientnet_lite0").model
    assert body
    return extract(body, images)


def foreseen(table: Table, share: float, seed: int) -> Iterator[dict[str, float]]:
    """Yield what was foreseen and measured for one drawing of a set."""
    rng = np.random.default_rng(seed)
    ids = np.arange(len(table.labels)) if table.groups is None else np.unique(table.groups, return_inverse=True)[1]
    unit = rng.random(int(ids.max()) + 1)[ids]  # groups learn or judge as a whole
    order = np.lexsort((rng.random(len(ids)), unit))
    learning = min(LEARNING, int(0.75 * len(order)))
    learn, judging = order[: int(share * learning)], order[learning:][:JUDGING]
    half = learn[: len(learn) // 2]

    def groups(rows: np.ndarray) -> np.ndarray | None:
        return None if table.groups is None else table.groups[rows]

    judge = head_judge(table.features[learn], table.labels[learn], table.features[judging], table.labels[judging])
    curve = measure_curve(judge, table.labels[half], groups(half), groups(judging), seed)
    told = foresee(curve, "a head")
    measured = float(judge(np.arange(len(learn))).mean()) - curve.accuracy[-1]
    if told.forecasts:
        one = told.forecasts[0]
        low, high = one.interval
        yield {
            "foreseen_points": 100 * one.gain,
            "measured_points": 100 * measured,
            "interval_points": 100 * (high - low),
            "covered_share": float(low <= measured <= high),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(6)))
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    parser.add_argument("--photos", help="a folder of class folders, such as TrashNet's")
    options = parser.parse_args()
    if not options.data_dir or not options.photos:
        sys.exit("name the folder of published data sets with --data-dir or STRIATE_DATA, photographs with --photos")
    sets = {
        "digits": lambda: published("digits", options.data_dir, net=False),
        "Fashion-MNIST": lambda: published("fashion-mnist", options.data_dir, net=False),
        "CIFAR-10": lambda: published("cifar10", options.data_dir, net=True),
        "photographs": lambda: photographs(options.photos),
    }
    rows, covered = {}, []
    with fitting_threads():
        for name, make in sets.items():
            table = make()
            for share in SHARES:
                found = [row for seed in options.seeds for row in foreseen(table, share, seed)]
                if found:
                    images = int(share * min(LEARNING, int(0.75 * len(table.labels))))
                    rows[f"{name}, {images:,} images"] = {
                        key: summary([row[key] for row in found])["mean"] for key in found[0]
                    }
                    covered += [row["covered_share"] for row in found]
                    print(name, share, rows[f"{name}, {images:,} images"], file=sys.stderr)
    record = {"seeds": options.seeds, "covered_share": summary(covered), "sets": rows}
    write("more_images", record, "no times; foreseen from half of the images, measured with all")


if __name__ == "__main__":
    main()
