"""Images a second in training: one process on all CPUs against as many processes as CPUs with a thread each.

The command that a user types, `striate train` alone and under torchrun (gloo), on CIFAR-10 images. The figure is that
of the epoch in the run's metrics: its clock runs from the first batch to the last update.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import striate
from bench.record import summary, write
from striate.system.devices import usable_cpus

BIN = Path(sys.executable).parent


def rate(source: Path, words: list[str], processes: int, threads: int) -> float:
    """Return the images a second of one epoch."""
    start = [str(BIN / "torchrun"), "--nproc-per-node", str(processes)] if processes > 1 else [sys.executable]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as out:
        command = [*start, "-m", "striate", "train", str(source), *words, "--epochs", "1", "--out", f"{out}/run"]
        subprocess.run(command, capture_output=True, check=True, env=environment)
        return json.loads(Path(out, "run", "metrics.jsonl").read_text().splitlines()[-1])["images_per_s"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="swift_s")
    parser.add_argument("--recipe", default="swift-79")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    options = parser.parse_args()
    if not options.data_dir:
        print("scaling: skipped, because neither --data-dir nor STRIATE_DATA names the published data sets")
        return
    cpus = usable_cpus()
    ways = {"1 process × 1 thread": (1, 1), f"1 process × {cpus} threads": (1, cpus)}
    ways |= {f"{cpus} processes × 1 thread": (cpus, 1)}
    found: dict[str, list[float]] = {name: [] for name in ways}
    words = ["--net", options.net, "--recipe", options.recipe, "--set", "precision=float32", "--split", "100:0:0"]
    with tempfile.TemporaryDirectory() as folder:
        some = striate.read("cifar10", data_dir=Path(options.data_dir)).subset(np.arange(options.images))
        source = Path(folder, "some.npz")
        np.savez(source, images=np.stack(list(some.images)), labels=some.labels)
        for _ in range(options.runs):
            for name, (processes, threads) in ways.items():
                found[name].append(rate(source, words, processes, threads))
    settings = {"net": options.net, "recipe": options.recipe, "precision": "float32", "images": options.images}
    clock = "an epoch from its first batch to its last update, checkpoints included; starting up is not"
    write("scaling", settings | {"images_per_s": {k: summary(v) for k, v in found.items()}}, clock)


if __name__ == "__main__":
    main()
