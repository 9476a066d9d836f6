"""What a fit, a prediction and the estimator's cross-validation lose beside another busy process, by how threads wait.

default     as OpenMP does by itself
told        `import striate` came first, and torch found it said
late        torch came first, and an idle team makes its threads sleep soon

Whole processes, in turns, alone and beside a torch process that trains on and on with OpenMP's default. A fair share of
the machine is half of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from bench.record import summary, write

BUSY = """
import torch
net = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 3, padding=1))
images = torch.randn(64, 3, 32, 32)
while True:
    net(images).mean().backward()
"""
WORK = """
import sys, time
import numpy as np
{first}
import striate
from striate import ImageClassifier
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
X, y = load_digits(return_X_y=True)
X, y = X[:300].reshape(-1, 8, 8), y[:300]
def clocked(act):
    start = time.perf_counter()
    act()
    print(time.perf_counter() - start, flush=True)
clocked(lambda: striate.train((X.astype(np.uint8) * 15, y), net="swift_xs", epochs=3, precision="float32"))
model = ImageClassifier(net="swift_xs", epochs=3).fit(X, y)
clocked(lambda: [model.predict(X) for _ in range(10)])
clocked(lambda: cross_val_score(ImageClassifier(epochs=3), X, y, cv=3))
"""
TASKS = ("train_s", "predict_s", "cross_validation_s")
WAYS = {
    "default": ("import torch", {"OMP_WAIT_POLICY": ""}),  # said, so that nothing is changed; and says nothing
    "told": ("", {}),
    "late": ("import torch", {}),
}


def seconds(way: str, limit_s: float) -> list[float]:
    """Return the seconds of each task, the limit where it was not done by then."""
    first, own = WAYS[way]
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_", "KMP_"))}
    with subprocess.Popen(
        [sys.executable, "-c", WORK.format(first=first)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=plain | own,
    ) as process:  # fmt: skip
        try:
            told = process.communicate(timeout=limit_s)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            told = process.communicate()[0]
    done = [float(line) for line in told.split()]
    return done + [limit_s] * (len(TASKS) - len(done))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=float, default=120, help="seconds after which a process is given up")
    asked = parser.parse_args()
    found: dict[str, list[float]] = {}
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_", "KMP_"))}
    for _ in range(asked.runs):
        for crowd in ("alone", "beside_another"):
            busy = None
            if crowd != "alone":
                busy = subprocess.Popen([sys.executable, "-c", BUSY], env=plain)
                time.sleep(5)
            try:
                for way in WAYS:
                    for task, value in zip(TASKS, seconds(way, asked.limit), strict=True):
                        found.setdefault(f"{way}_{crowd}_{task}", []).append(value)
            finally:
                if busy:
                    busy.kill()
                    busy.wait()
    write("crowd", {name: summary(values) for name, values in found.items()}, "three tasks in each of three processes")


if __name__ == "__main__":
    main()
