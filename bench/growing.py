"""What a recipe gains from small images first, hard images later, and a whitening bias that learns early only.

The recipe as it is, without each of them and without all, on nine tenths of CIFAR-10's training images, judged on the
others; the test images are not looked at. Each seed has its own split. The settings take turns, so that a
slow moment of the machine falls on all.

    python -m bench growing --recipe swift-79 --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import os
import sys

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import striate
from bench.record import summary, write
from striate.selection.fit import run_one
from striate.training.recipe import load_recipe

SETTINGS = {
    "as it is": {},
    "bias to the end": {"whiten_until": 1.0},
    "whole images": {"small_until": 0.0},
    "all images": {"hard_share": 1.0},
    "neither": {"whiten_until": 1.0, "small_until": 0.0, "hard_share": 1.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="swift-79")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    options = parser.parse_args()
    if not options.data_dir:
        sys.exit("name the folder of published data sets with --data-dir or STRIATE_DATA")
    images = striate.read("cifar10", data_dir=options.data_dir).train
    net = load_recipe(options.recipe).net or "swift_s"
    found = {name: {"valid_accuracy": [], "train_s": []} for name in SETTINGS}
    for seed in options.seeds:
        for name, changes in SETTINGS.items():
            result = run_one(images, net, options.recipe, ratios=(0.9, 0.1, 0), seed=seed, **changes)
            assert result.valid
            assert result.test is None
            found[name]["valid_accuracy"].append(result.valid.accuracy)
            found[name]["train_s"].append(result.train_s)
            print(f"{name}, seed {seed}: {result.valid.accuracy:.2%} in {result.train_s:.1f} s", file=sys.stderr)
    rows = {name: {key: summary(values) for key, values in row.items()} for name, row in found.items()}
    record = {"net": net, "recipe": options.recipe, "seeds": options.seeds, "settings": rows}
    write("growing", record, "the epochs, validation included; not set-up")


if __name__ == "__main__":
    main()
