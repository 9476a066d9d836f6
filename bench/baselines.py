"""Baselines on CIFAR-10: seconds and accuracy of nearest neighbours, linear, two hidden layers and the others.

    neighbours  50,000 images remembered, 10,000 compared with them, k = 5 (the seconds are those of the comparing)
    chosen      k and metric chosen on the validation images, as `striate train cifar10 --net neighbours` does
    linear, mlp trained by the default recipe
    pixels      trees, forest, boosted trees, logistic regression and support vectors, each within its cap

Needs a folder of published data sets: --data-dir or STRIATE_DATA. The test accuracy is that of the finished model.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import numpy as np

import striate
from bench.record import write
from striate.baselines.candidates import fit_baseline
from striate.baselines.registry import BASELINES
from striate.data.splitting import split
from striate.selection.fit import run_one

# What is measured, and what its clock includes.
NAMES = {
    "neighbours": "the comparing of the test images; not the reading",
    "chosen": "the fitting; not the reading or judging",
    "linear": "the training; not the reading or judging",
    "mlp": "the training; not the reading or judging",
    "pixels": "the fitting of each, its choices included",
}


def compared(data_dir: str, metric: str) -> dict:
    """Return the seconds that the test images take, and the accuracy, with all training images remembered."""
    images = striate.prepare(striate.read("cifar10", data_dir=data_dir))
    train, test = (images.subset(np.flatnonzero(images.splits == part)) for part in ("train", "test"))
    model = fit_baseline(f"neighbours(k=5, metric='{metric}')", train, train.subset(np.arange(0)))
    start = time.perf_counter()
    evaluation = model.judge(test, test.labels)
    return {"seconds": time.perf_counter() - start, "test_accuracy": evaluation.accuracy}


def trained(data_dir: str, net: str) -> dict:
    """Return what the command ends with."""
    result = run_one("cifar10", net, reading={"data_dir": data_dir}, seed=0)
    assert result.valid
    assert result.test
    return {
        "net": str(result.classifier.net), "valid_accuracy": result.valid.accuracy,
        "test_accuracy": result.test.accuracy, "train_s": result.train_s,
    }  # fmt: skip


def on_pixels(data_dir: str) -> dict:
    """Return the validation accuracy and seconds of every other baseline; no test image is looked at."""
    images = striate.prepare(striate.read("cifar10", data_dir=data_dir))
    parts, rows = split(images), {}
    for name in BASELINES:
        if name != "neighbours":
            start = time.perf_counter()
            model = fit_baseline(name, parts.train, parts.valid)
            seconds = time.perf_counter() - start
            rows[name] = {"fit_s": seconds, "valid_accuracy": model.judge(parts.valid, parts.valid.labels).accuracy}
    return {"fitted": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    options = parser.parse_args()
    if not options.data_dir:
        sys.exit("name the folder of published data sets with --data-dir or STRIATE_DATA")
    for name in options.names:
        if name not in NAMES:
            sys.exit(f"unknown measurement {name!r}; choices: {', '.join(NAMES)}")
        if name == "neighbours":
            result = {"metrics": {metric: compared(options.data_dir, metric) for metric in ("l2", "l1")}}
        elif name == "pixels":
            result = on_pixels(options.data_dir)
        else:
            result = trained(options.data_dir, "neighbours" if name == "chosen" else name)
        write(f"baselines_{name}", result, NAMES[name])


if __name__ == "__main__":
    main()
