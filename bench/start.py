"""How long the command line takes to answer: whole processes, median of several."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from bench.record import summary, write

COMMANDS = {
    "python_nothing_s": [sys.executable, "-c", "pass"],
    "import_striate_s": [sys.executable, "-c", "import striate"],
    "help_s": [str(Path(sys.executable).parent / "striate"), "--help"],
    "train_help_s": [str(Path(sys.executable).parent / "striate"), "train", "--help"],
    "net_resnet50_s": [str(Path(sys.executable).parent / "striate"), "net", "resnet50"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    result = {}
    for name, command in COMMANDS.items():
        seconds(command)
        result[name] = summary([seconds(command) for _ in range(runs)])
    write("start", result, "a whole process, from its start to its end")


if __name__ == "__main__":
    main()
