"""CIFAR-10 from arrays in memory to trained weights: seconds and test accuracy over seeds.

The clock runs from the catalog of arrays to the end of the last epoch: digests, split, normalisation, whitening, the
choice of precision where it is not remembered, and every step are in it; reading the archive and judging the test
images are not. All 50,000 training images are trained on. Recipes were chosen on a validation part of them.

    python -m bench speed --net swift_s --recipe swift-79 --seeds 0 1 2

With --out a run of hours may be killed: the same command goes on, and the seconds are those of the epochs alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import striate
from bench.record import summary, write
from striate.observer import Observer
from striate.selection.fit import run_one


class Clock(Observer):
    """Notes when the last epoch ended, and what was said."""

    def __init__(self):
        self.end, self.notes = 0.0, []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def epoch(self, record: dict, better: bool) -> None:
        self.end = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="swift_s")
    parser.add_argument("--recipe", default="swift-79")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, help="a folder for the runs, each of which goes on where it was killed")
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    options = parser.parse_args()
    if not options.data_dir:
        sys.exit("name the folder of published data sets with --data-dir or STRIATE_DATA")
    catalog = striate.read("cifar10", data_dir=Path(options.data_dir))
    seconds, accuracies, alone, said = [], [], [], []
    for seed in options.seeds:
        clock, start = Clock(), time.perf_counter()
        result = run_one(
            catalog,
            options.net,
            options.recipe,
            ratios=(1, 0, 0),
            seed=seed,
            observer=clock,
            precision=options.precision,
            out=options.out and options.out / f"seed-{seed}",
            resume=options.out is not None,
        )
        seconds.append(result.train_s if options.out else clock.end - start)
        accuracies.append(result.test.accuracy)
        alone += [result.test.alone.accuracy] if result.test.alone else []
        said = [note for note in clock.notes if note.startswith("precision")]
        print(f"seed {seed}: {result.test.accuracy:.2%} in {seconds[-1]:.1f} s", file=sys.stderr)
    record = {"net": options.net, "recipe": options.recipe, "seeds": options.seeds, "precision": said}
    record |= {"seconds": summary(seconds), "test_accuracy": summary(accuracies)}
    if alone:
        record["test_accuracy_without_views"] = summary(alone)
    name = f"speed_{options.recipe}" + (f"_{options.precision}" if options.precision != "auto" else "")
    clock = "from arrays in memory to trained weights, set-up and whitening included"
    write(name, record, "the epochs; not set-up and interruptions" if options.out else clock)


if __name__ == "__main__":
    main()
