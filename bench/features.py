"""The automatic choice among classifiers on a pre-trained net's features: CIFAR-10, a few hundred images a class.

    python -m bench features --weights mobilenet_v2-imagenet.safetensors --data-dir DATA

As `striate train SOURCE --features mobilenet_v2` does it: 5 % of the training images choose, all 10,000 test images are
looked at once. The seed draws the training images, too.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import numpy as np

import striate
from bench.record import summary, write
from striate.data.catalog import Catalog
from striate.selection.fit import load_features, run_one


def drawn(catalog: Catalog, of_class: int, seed: int) -> Catalog:
    """Return the test images and so many of each class of the others."""
    random, rows = np.random.default_rng(seed), [np.flatnonzero(catalog.splits == "test")]
    for label in range(len(catalog.classes)):
        found = np.flatnonzero((catalog.labels == label) & (catalog.splits != "test"))
        rows.append(random.choice(found, of_class, replace=False))
    return catalog.subset(np.sort(np.concatenate(rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="mobilenet_v2")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--of-class", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    options = parser.parse_args()
    if not options.data_dir:
        sys.exit("name the folder of published data sets with --data-dir or STRIATE_DATA")
    catalog, found = striate.read("cifar10", data_dir=options.data_dir), []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as empty:  # no features from the run before
            os.environ["STRIATE_CACHE"] = empty
            start = time.perf_counter()
            features = load_features(options.net, options.weights)
            result = run_one(drawn(catalog, options.of_class, seed), "auto", features=features, seed=seed)
        assert result.valid
        assert result.test
        found.append((result, time.perf_counter() - start))
        print(f"seed {seed}: {result.test.accuracy:.2%} in {found[-1][1]:.0f} s", file=sys.stderr)
    record = {
        "net": options.net,
        "of_class": options.of_class,
        "seeds": options.seeds,
        "chosen": [str(result.classifier.net) for result, _ in found],
        "valid_accuracy": summary([result.valid.accuracy for result, _ in found]),
        "test_accuracy": summary([result.test.accuracy for result, _ in found]),
        "fit_s": summary([result.train_s for result, _ in found]),
        "whole_s": summary([seconds for _, seconds in found]),
    }
    write("features", record, "fit_s: features of the training images and all fits; whole_s: the test images as well")


if __name__ == "__main__":
    main()
