"""How good frozen features are with few photographs, beside what an image costs: every backbone at hand.

Of each class so many photographs teach a head, the same one that the ladder's rung "pretrained" fits; a fifth of the
photographs, the same for all, judges. Nothing is chosen by that fifth.

    python -m bench few photos/ --draws 5
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import numpy as np

import striate
from bench.record import summary, write
from striate.baselines.candidates import fit_baseline
from striate.classifier.feature_bank import FeatureBank
from striate.classifier.features import Features, net_features
from striate.data.imageset import ImageSet
from striate.nets.zoo.downloads import BACKBONES, available_weights
from striate.observer import Observer
from striate.selection.ladder.pretrained_rungs import head_for
from striate.training.transfer import at_side, load_start

COUNTS: tuple[int | None, ...] = (5, 10, 20, 50, None)


def drawn(labels: np.ndarray, count: int | None, generator: np.random.Generator) -> np.ndarray:
    """Return the positions of so many images of each class, all of them where there are fewer; None: all."""
    order = generator.permutation(len(labels))
    chosen = [order[labels[order] == c][:count] for c in np.unique(labels)]
    return np.sort(np.concatenate(chosen))


def accuracy(features: Features, images: ImageSet, train: np.ndarray, test: np.ndarray, seed: int) -> float:
    """Return the share of the images at `test` that a head fitted to those at `train` tells right."""
    learned = images.subset(train)
    name = head_for(len(train), len(images.classes))
    model = fit_baseline(name, learned, learned.subset(np.arange(0)), features=features, seed=seed)
    module: Any = model.module
    import torch

    rows = torch.from_numpy(features.extract(images.subset(test), Observer()))
    with torch.inference_mode():
        found = module.classify(module.selection(rows)).argmax(1).numpy()
    return float((found == images.labels[test]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of class folders")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--sides", type=int, nargs="*", help="pixels; by default what each was trained for")
    options = parser.parse_args()
    catalog = striate.read(options.photos)
    held = np.random.default_rng(0).permutation(len(catalog))
    test, rest = held[: len(held) // 5], np.sort(held[len(held) // 5 :])
    rows: dict[str, Any] = {}
    for name in BACKBONES:
        weights = available_weights(name)
        if weights is None:
            print(f"{name}: no weights at hand, left out", file=sys.stderr)
            continue
        start = load_start(name, weights)
        for side in options.sides or [start.preprocessing.size[0]]:
            tapped = net_features(at_side(start, side, "crop"), name)
            assert tapped.model is not None
            images = tapped.model.prepare(catalog)
            bank = FeatureBank(tapped.model, images)
            began = time.perf_counter()
            bank.fill(np.arange(len(images)))
            row = rows[f"{name}@{side}"] = {"ms_an_image": 1000 * (time.perf_counter() - began) / len(images)}
            features = replace(tapped, bank=bank)
            for count in COUNTS:
                found = []
                for draw in range(options.draws if count else 1):
                    train = rest[drawn(images.labels[rest], count, np.random.default_rng(draw))]
                    found.append(accuracy(features, images, train, test, draw))
                column = f"accuracy_{count or 'all'}"
                row[column] = summary(found)["mean"]
                print(f"{name}@{side}, {count or 'all'} a class: {row[column]:.2%}", file=sys.stderr)
    settings = {"images": len(catalog), "judged": len(test), "draws": options.draws}
    write("few", {**settings, "backbones": rows}, "features alone, images prepared")


if __name__ == "__main__":
    main()
