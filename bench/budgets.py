"""Does the ladder keep its deadline, and does more time do better? The whole command, from outside.

Each source is trained on with each budget, alone and beside a process that keeps one core busy; the wall time is that
of the command, interpreter, reading and saving included.

    python -m bench budgets cifar10 PHOTOS --budgets 20s 1m 5m
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.record import write
from striate.units import parse_duration

CLOCK = "the whole command, from outside"
BUSY = "while True: pass"


def one_run(source: str, budget: str, data_dir: str | None, more: list[str]) -> dict[str, Any]:
    """Return the seconds of the command, and what it says of its model."""
    with TemporaryDirectory() as folder:
        out = ["--out", str(Path(folder) / "run")]
        where = ["--data-dir", data_dir] if data_dir else []
        command = [sys.executable, "-m", "striate", "train", source, "--budget", budget, "--json", *out, *where, *more]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    said = json.loads(done.stdout)
    asked = parse_duration(budget)
    return {
        "wall_s": seconds, "off": seconds / asked - 1,
        "chosen": said["chosen"], "valid_accuracy": said["valid_accuracy"], "test_accuracy": said["test_accuracy"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--name", default="budgets")
    parser.add_argument("--budgets", nargs="+", default=["20s", "1m", "5m"])
    parser.add_argument("--seed", default="0")
    parser.add_argument("--alone", action="store_true", help="only alone")
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    options = parser.parse_args()
    runs = {}
    for busy in (False, True)[: 2 - options.alone]:
        for source in options.sources:
            for budget in options.budgets:
                other = subprocess.Popen([sys.executable, "-c", BUSY]) if busy else None
                try:
                    name = f"{Path(source).name}, {budget}{', one core busy' * busy}"
                    runs[name] = one_run(source, budget, options.data_dir, ["--seed", options.seed])
                finally:
                    if other:
                        other.kill()
                print(name, runs[name], flush=True)
    write(options.name, {"runs": runs}, CLOCK)


if __name__ == "__main__":
    main()
