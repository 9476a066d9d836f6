"""The ladder on a source within a budget: what each rung comes to, the whole run's seconds, the test accuracy.

Of several seeds the rungs and the verdict are the first one's.

The clock runs from the command to the saved model, reading and judging included.

    python -m bench ladder cifar10 --budget 5m
    python -m bench ladder PHOTOS --split 72:8:20 --seeds 2 3 4 --name trashnet
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

from bench.record import summary, write
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
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the splits and of all else")
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    options = parser.parse_args()
    reading = {"data_dir": options.data_dir, "images": options.images}
    data = DataOptions({k: Path(v) for k, v in reading.items() if v}, ratios=options.split)
    runs = []
    for seed in options.seeds:
        with TrainView(stderr()) as view, TemporaryDirectory() as folder:
            start = time.perf_counter()
            run = RunOptions(Path(folder) / "run", observer=view)
            choice = climb_ladder(options.source, options.budget, options.weights, data, run, seed)
            runs.append((choice, time.perf_counter() - start))
        print(choice.verdict, choice.test, file=sys.stderr)
    choice = runs[0][0]
    rungs = {
        one.name: {"valid_accuracy": one.valid.accuracy, "seconds": one.fit_s, "image_ms": one.image_ms}
        for one in choice.rungs
    }
    each = {
        "valid_accuracy": [one.valid.accuracy for one, _ in runs if one.valid],
        "test_accuracy": [one.test.accuracy for one, _ in runs if one.test],
        "whole_s": [seconds for _, seconds in runs],
    }
    record = {
        "budget": options.budget, "seeds": options.seeds, "weights": bool(options.weights), "rungs": rungs,
        "chosen": choice.chosen, "verdict": choice.verdict,
        **{name: summary(values) if len(runs) > 1 else values[0] for name, values in each.items() if values},
    }  # fmt: skip
    write(f"ladder_{options.name or Path(options.source).stem}", record, CLOCK)


if __name__ == "__main__":
    main()
