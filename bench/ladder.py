"""The ladder on a source within a budget: what each rung comes to, the whole run's seconds, the test accuracy.

The clock runs from the command to the saved model, reading and judging included.

    python -m bench ladder cifar10 --budget 5m
    python -m bench ladder PHOTOS --weights FILE --name trashnet
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

from bench.record import write
from striate.cli.output.console import stderr
from striate.cli.output.ladder import TrainView
from striate.data.dataset import DataOptions
from striate.runs.session import RunOptions
from striate.selection.ladder.ladder import climb_ladder

CLOCK = "from the call to the saved model, reading and judging included"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--name", help="what the record is called; else the source")
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--weights")
    parser.add_argument("--images", help="the folder of a table's images")
    parser.add_argument("--split")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    options = parser.parse_args()
    reading = {"data_dir": options.data_dir, "images": options.images}
    with TrainView(stderr()) as view, TemporaryDirectory() as folder:
        start = time.perf_counter()
        data = DataOptions({k: Path(v) for k, v in reading.items() if v}, ratios=options.split)
        run = RunOptions(Path(folder) / "run", observer=view)
        choice = climb_ladder(options.source, options.budget, options.weights, data, run, options.seed)
        seconds = time.perf_counter() - start
    print(choice.verdict, choice.test, file=sys.stderr)
    name = options.name or Path(options.source).stem
    rungs = {
        one.name: {"valid_accuracy": one.valid.accuracy, "seconds": one.fit_s, "image_ms": one.image_ms}
        for one in choice.rungs
    }
    record = {
        "budget": options.budget, "seed": options.seed, "weights": bool(options.weights), "rungs": rungs,
        "chosen": choice.chosen, "verdict": choice.verdict, "valid_accuracy": choice.valid and choice.valid.accuracy,
        "test_accuracy": choice.test and choice.test.accuracy, "whole_s": seconds,
    }  # fmt: skip
    write(f"ladder_{name}", record, CLOCK)


if __name__ == "__main__":
    main()
