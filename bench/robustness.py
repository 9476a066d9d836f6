"""What `--augment robust` costs and buys on CIFAR-10: the robustness card with it and without, over seeds.

Nets of the swift recipe, its first half on small images, with flip and translate(2), and with robust after them; the
same images, epochs and seeds. The card of the validation images (training images that were left out) is for choosing
between variants, `--words`; with `--test` the test images are read, once. Runs that are in `--out` already are not
trained again.

    python -m bench robustness --data-dir DIR --images 45000 --epochs 8 --seeds 0 1 --out runs/robustness --test
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import numpy as np

import striate
from bench.record import summary, write
from striate.data.catalog import Catalog
from striate.evaluation.robustness.card import RobustnessCard
from striate.evaluation.robustness.judging import judge_robustness
from striate.selection.fit import run_one

OWN = "flip translate(2)"


def parts(catalog: Catalog, count: int, judged: int) -> tuple[Catalog, Catalog, Catalog]:
    """Return the images that are trained on, and as many for the cards of validation and test, drawn with one seed."""
    rng = np.random.default_rng(0)
    train = rng.permutation(np.flatnonzero(catalog.splits != "test"))
    test = rng.permutation(np.flatnonzero(catalog.splits == "test"))
    assert count + judged <= len(train), "too few images are left for the card of validation"
    own = np.sort(train[:count]), np.sort(train[-judged:]), np.sort(test[:judged])
    return catalog.subset(own[0]), catalog.subset(own[1]), catalog.subset(own[2])


def trained(catalog: Catalog, words: str, seed: int, options: argparse.Namespace) -> striate.Classifier:
    """Return the net of a variant and seed, trained unless its run is there."""
    out = Path(options.out) / f"{words.replace(' ', '-') or 'plain'}-{seed}"
    if not (out / "result.json").exists():
        run_one(
            catalog, options.net, recipe="swift", epochs=options.epochs, augment=(f"{OWN} {words}".strip(),),
            small_until=0.5, small_side=0.5, batch_size=options.batch_size, precision="float32", seed=seed, out=out,
            ratios="90:10", groups="none",
        )  # fmt: skip
    return striate.Classifier.load(out / "model.striate")


def figures(cards: list[RobustnessCard]) -> dict[str, Any]:
    """Return the clean accuracy, the mean over the card and by family, over the seeds."""
    found = {
        "clean_accuracy": summary([card.clean.accuracy for card in cards]),
        "card_accuracy": summary([card.mean for card in cards]),
    }
    return found | {
        f"{name.replace(' ', '_')}_accuracy": summary([card.families[name] for card in cards])
        for name in cards[0].families
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="where CIFAR-10 is")
    parser.add_argument("--net", default="swift_xs")
    parser.add_argument("--images", type=int, default=45_000, help="trained on, a tenth of them for the epochs' choice")
    parser.add_argument("--judged", type=int, default=2_000, help="images of each card")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=500)
    parser.add_argument("--words", nargs="+", default=["", "robust"], help='variants: "" is the recipe\'s own alone')
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--out", default="runs/robustness")
    parser.add_argument("--test", action="store_true", help="the card of the test images, to be read once")
    options = parser.parse_args()
    train, valid, test = parts(striate.read("cifar10", data_dir=options.data_dir), options.images, options.judged)
    judged = test if options.test else valid
    record: dict[str, Any] = {
        "net": options.net, "images": options.images, "epochs": options.epochs, "batch_size": options.batch_size,
        "judged": options.judged, "split": "test" if options.test else "valid", "seeds": options.seeds,
    }  # fmt: skip
    for words in options.words:
        cards = []
        for seed in options.seeds:
            cards.append(judge_robustness(trained(train, words, seed, options), judged, groups="none"))
            print(f"{words or 'plain'}, seed {seed}: {cards[-1].clean.accuracy:.2%} clean, {cards[-1].mean:.2%} card; "
                  f"{cards[-1].weakest}", file=sys.stderr)  # fmt: skip
        record[words or "plain"] = figures(cards)
    write("robustness", record, "no times are measured")


if __name__ == "__main__":
    main()
