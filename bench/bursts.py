"""Bursts of frames of one object: does what a run says hold on objects that it has never seen?

Each FOLDER has train/<class>/…, frames of few objects, and independent/<class>/…, frames of others; where there are
several, each seed takes the next. For every seed the ladder is climbed on train, and its model judged on independent:
the stated interval contains the figure there, or it does not. --ungrouped climbs it once more as if every frame stood
alone.

    python -m bench bursts BURSTS --budget 20s --seeds 10
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

from bench.record import write
from striate.data.dataset import DataOptions
from striate.data.reading import read
from striate.runs.session import RunOptions
from striate.selection.ladder.ladder import climb_ladder

CLOCK = "no seconds are measured"


def one_run(folder: Path, budget: str, groups: str | None, seed: int) -> dict[str, Any]:
    """Return what a run on the folder's train says of its model, and how that does on independent objects."""
    done = climb_ladder(folder / "train", budget, data=DataOptions(groups=groups), run=RunOptions(), seed=seed)
    assert done.test is not None
    model, images = done.classifier, read(folder / "independent")
    prepared = model.prepare(images)
    outside = model.judge(prepared, prepared.labels).accuracy
    low, high = done.test.interval
    return {
        "said": done.test.accuracy, "low": low, "high": high, "groups": done.test.groups, "outside": outside,
        "holds": low <= outside <= high, "chosen": done.chosen,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--name", default="bursts")
    parser.add_argument("--budget", default="20s")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--groups", help="as --groups of train; else found")
    parser.add_argument("--ungrouped", action="store_true")
    options = parser.parse_args()
    summary, runs = {}, {}
    for kind, groups in [("grouped", options.groups), ("ungrouped", "none")][: 1 + options.ungrouped]:
        own = []
        for seed in range(options.seeds):
            folder = options.folders[seed % len(options.folders)]
            own.append(one_run(folder, options.budget, groups, seed))
            runs[f"{kind}, seed {seed}, {folder.name}"] = own[-1]
            print(kind, seed, own[-1], flush=True)
        said, outside = (sum(one[name] for one in own) / len(own) for name in ("said", "outside"))
        summary[kind] = {"holds": sum(one["holds"] for one in own), "of": len(own), "said": said, "outside": outside}
    record = {"budget": options.budget, "summary": summary, "runs": runs}
    write(options.name, record, CLOCK)


if __name__ == "__main__":
    main()
