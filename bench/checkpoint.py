"""What checkpoints cost: the share of a run's time that goes into writing checkpoint, metrics and model.

One epoch of swift_s on CIFAR-10 images into a run folder on the disk, as `striate train` does it, everything synced.
The clock runs over the training loop, validation included; what a save takes is timed where the loop asks for it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import numpy as np

import striate
from bench.record import summary, write
from striate.selection.fit import run_one
from striate.training.engine.checkpoints import CHECKPOINT, Checkpoints


def once(catalog: striate.Catalog, net: str, recipe: str, seed: int) -> dict[str, float]:
    saves, save = [], Checkpoints.save

    def timed(*arguments: object) -> None:
        start = time.perf_counter()
        save(*arguments)
        saves.append(time.perf_counter() - start)

    Checkpoints.save = timed
    try:
        with tempfile.TemporaryDirectory() as out:
            result = run_one(catalog, net, recipe, seed=seed, epochs=1, out=Path(out) / "run")
            size = (Path(out) / "run" / CHECKPOINT).stat().st_size
    finally:
        Checkpoints.save = save
    share = sum(saves) / result.train_s
    return {"share": share, "saves": len(saves), "save_s": sum(saves) / len(saves), "size_bytes": size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="swift_s")
    parser.add_argument("--recipe", default="swift-79")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    options = parser.parse_args()
    if not options.data_dir:
        print("checkpoint: skipped, because neither --data-dir nor STRIATE_DATA names the published data sets")
        return
    catalog = striate.read("cifar10", data_dir=Path(options.data_dir)).subset(np.arange(options.images))
    rows = [once(catalog, options.net, options.recipe, seed) for seed in options.seeds]
    settings = {"net": options.net, "recipe": options.recipe, "images": options.images, "seeds": options.seeds}
    clock = "one epoch, validation included; a save is model, metrics and checkpoint, written and synced"
    write("checkpoint", settings | {key: summary([row[key] for row in rows]) for key in rows[0]}, clock)


if __name__ == "__main__":
    main()
