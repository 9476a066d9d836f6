"""What keeping freed memory is worth: images/s and peak memory, with and without, of training steps and of predicting.

Whole processes, in turns: an allocator does not forget what it was told.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from bench.record import summary, write

CODE = """
import resource, sys, time
from contextlib import nullcontext
import torch
from striate.system.devices import kept_memory
from striate.nets import make_module, resolve
from striate.training.engine.learner import Learner
from striate.training.recipe import load_recipe
name, side, batch, learns, kept = sys.argv[1], *map(int, sys.argv[2:])
net = resolve(name, classes=10, channels=3, side=side)
module = make_module(net, (3, side, side)).to(memory_format=torch.channels_last)
images = torch.randn(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
labels = torch.zeros(batch, dtype=torch.long)
learner = Learner(module.train(bool(learns)), load_recipe("swift"), torch.device("cpu"), "float32")
def step():
    if learns:
        return learner.update(images, labels, 0.1)
    with torch.inference_mode():
        return module(images)
with kept_memory() if kept else nullcontext():
    for _ in range(2): step()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < 6: step(); count += 1
    print(batch * count / (time.perf_counter() - start), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
"""
# A net, the images' side, images at once, and whether they are learned from.
JOBS = {
    "train_swift_s": ("swift_s", 32, 500, 1),
    "train_swift_m": ("swift_m", 32, 500, 1),
    "train_mobilenet_v2": ("mobilenet_v2", 160, 32, 1),
    "predict_swift_s": ("swift_s", 32, 256, 0),
    "predict_mobilenet_v2": ("mobilenet_v2", 224, 64, 0),
}


def measure(job: tuple[str, int, int, int], kept: bool) -> tuple[float, float]:
    """Return images/s and the peak of memory in MiB."""
    plain = {key: value for key, value in os.environ.items() if key != "GLIBC_TUNABLES"}
    words = [str(word) for word in (*job, int(kept))]
    told = subprocess.check_output(
        [sys.executable, "-c", CODE, *words], text=True, env={"GOMP_SPINCOUNT": "3000"} | plain
    )
    rate, peak = map(float, told.split())
    return rate, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    rates: dict[str, list[float]] = {}
    peaks: dict[str, list[float]] = {}
    for _ in range(runs):
        for name, job in JOBS.items():
            for kept in (False, True):
                rate, peak = measure(job, kept)
                key = f"{name}_{'kept' if kept else 'plain'}"
                rates.setdefault(key, []).append(rate)
                peaks.setdefault(key, []).append(peak)
                print(f"{key}: {rate:.1f} images/s, {peak:.0f} MiB", file=sys.stderr)
    result = {
        "images_per_s": {key: summary(values) for key, values in rates.items()},
        "peak_mib": {key: summary(values) for key, values in peaks.items()},
    }
    write("memory", result, "six seconds of steps after two that warm up")


if __name__ == "__main__":
    main()
