"""How good frozen features are with few photographs, beside what an image costs: every backbone at hand.

Of each class so many photographs teach a head, the same one that the ladder's rung "pretrained" fits; a fifth of the
photographs, the same for all, judges. Nothing is chosen by that fifth. Features are those of the image alone, and
their mean over its four turns. With `--ladder 1m` the whole ladder is climbed in that time, with ten of each class.

    python -m bench few photos/ --draws 5
    python -m bench few photos/ --draws 10 --ladder 1m
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
from striate.data.catalog import Catalog
from striate.data.dataset import DataOptions
from striate.data.imageset import ImageSet
from striate.nets.zoo.downloads import BACKBONES, available_weights
from striate.observer import Observer
from striate.selection.ladder.ladder import climb_ladder
from striate.selection.ladder.pretrained_rungs import head_for
from striate.training.transfer import at_side, load_start

COUNTS: tuple[int | None, ...] = (5, 10, 20, 50, None)
TEN = 10
CLOCK = "from the call to the model, reading excluded"


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


def by_count(
    bank: FeatureBank, tapped: Features, images: ImageSet, rest: np.ndarray, test: np.ndarray, draws: int
) -> dict[str, float]:
    """Return what an image costs and how good the features are, by how many images of each class teach."""
    began = time.perf_counter()
    bank.fill(np.arange(len(images)))
    row = {"ms_an_image": 1000 * (time.perf_counter() - began) / len(images)}
    for count in COUNTS:
        found = []
        for draw in range(draws if count else 1):
            train = rest[drawn(images.labels[rest], count, np.random.default_rng(draw))]
            found.append(accuracy(replace(tapped, bank=bank), images, train, test, draw))
        row[f"accuracy_{count or 'all'}"] = summary(found)["mean"]
        print(f"{tapped.of} {bank.views}, {count or 'all'} a class: {summary(found)['mean']:.2%}", file=sys.stderr)
    return row


def by_ladder(catalog: Catalog, rest: np.ndarray, test: np.ndarray, budget: str, draws: int) -> dict[str, Any]:
    """Return how often the ladder's choice is right after ten images of each class, and what it chose."""
    held, labels = catalog.subset(test), catalog.labels
    assert labels is not None
    right, chosen, seconds = [], [], []
    for draw in range(draws):
        train = rest[drawn(labels[rest], TEN, np.random.default_rng(draw))]
        began = time.perf_counter()
        choice = climb_ladder(catalog.subset(train), budget, data=DataOptions(ratios="100:0:0"), seed=draw)
        seconds.append(time.perf_counter() - began)
        said = choice.classifier.predict_proba(held).argmax(1)
        right.append(float((said == labels[test]).mean()))
        chosen.append(str(choice.classifier.net))
        print(f"draw {draw}: {right[-1]:.2%}, {chosen[-1]}, {seconds[-1]:.0f} s", file=sys.stderr)
    return {"accuracy": summary(right), "whole_s": summary(seconds), "chosen": chosen}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of class folders")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--sides", type=int, nargs="*", help="pixels; by default what each was trained for")
    parser.add_argument("--ladder", metavar="BUDGET", help="climb the ladder with ten a class, and nothing else")
    options = parser.parse_args()
    catalog = striate.read(options.photos)
    held = np.random.default_rng(0).permutation(len(catalog))
    test, rest = held[: len(held) // 5], np.sort(held[len(held) // 5 :])
    settings = {"images": len(catalog), "judged": len(test), "draws": options.draws}
    if options.ladder:
        found = by_ladder(catalog, rest, test, options.ladder, options.draws)
        return write("few_ladder", {**settings, "a_class": TEN, "budget": options.ladder, **found}, CLOCK)
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
            for words, bank in (
                ("", FeatureBank(tapped.model, images)),
                (", turned", FeatureBank(tapped.model, images, "turns")),
            ):
                rows[f"{name}@{side}{words}"] = by_count(bank, tapped, images, rest, test, options.draws)
    write("few", {**settings, "backbones": rows}, "features alone, images prepared")


if __name__ == "__main__":
    main()
