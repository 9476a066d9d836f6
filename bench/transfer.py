"""Transfer to a folder of photographs: support vectors on frozen features, and fine-tuning, over seeds.

Each seed splits 80:0:20: nothing is chosen, the last epoch is kept, and the fifth is looked at once. Seconds are those
of the training: the features, the head's fit, every step. Preparing the images is not in them.

    python -m bench transfer photos/ --weights mobilenet_v2-imagenet.safetensors --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import striate
from bench.record import summary, write
from striate.nets.zoo.downloads import available_weights
from striate.selection.fit import load_features, run_one

RATIOS = "80:0:20"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of class folders")
    parser.add_argument("--net", default="mobilenet_v2")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--size", type=int, help="pixels; by default chosen from the images")
    options = parser.parse_args()
    weights = available_weights(options.net) if options.weights == "imagenet" else options.weights
    if weights is None:
        sys.exit(f"no weights of {options.net}: give --weights FILE")
    catalog = striate.read(options.photos)
    size = (options.size, options.size) if options.size else None
    record: dict[str, Any] = {"net": options.net, "images": len(catalog), "seeds": options.seeds}
    kinds = {
        "frozen": lambda seed: run_one(
            catalog, "svm", features=load_features(options.net, weights), ratios=RATIOS, seed=seed
        ),
        "fine": lambda seed: run_one(catalog, options.net, weights=weights, ratios=RATIOS, size=size, seed=seed),
    }
    for kind, train in kinds.items():
        results = []
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as empty:  # no features from the run before
                os.environ["STRIATE_CACHE"] = empty
                results.append(train(seed))
            done = results[-1]
            print(f"{kind}, seed {seed}: {done.test.accuracy:.2%} in {done.train_s:.0f} s", file=sys.stderr)
        record |= {
            f"{kind}_test_accuracy": summary([result.test.accuracy for result in results]),
            f"{kind}_seconds": summary([result.train_s for result in results]),
        }
        record[f"{kind}_size"] = results[-1].classifier.preprocessing.size
    write("transfer", record, "features, head, steps; not the preparing of the images")


if __name__ == "__main__":
    main()
