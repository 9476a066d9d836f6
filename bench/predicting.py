"""How fast `striate predict` goes through many small files, against decoding them alone, and in how much memory.

Alone: the decoder's own rate, with as many threads or processes as it takes, on the same files; finding them counts for
neither. Whole: the same, and the net, and rows of CSV appended to a journal that is renamed at the end. In turns.

Then the command itself in a process of its own: its peak of memory for some numbers of files (links to the same), and
with --kills, how it ends in a file with each image once after so many SIGKILLs.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.record import summary, write

COMMAND = [sys.executable, "-m", "striate", "predict"]


def rates(model_path: Path, folder: Path, runs: int, scratch: Path) -> dict[str, list[float]]:
    """Return images/s of decoding alone and of predicting into a CSV file."""
    from striate.classifier.bulk.answers import decoded_shape
    from striate.classifier.bulk.predicting import BulkRequest, predict_lineup
    from striate.classifier.classifier import Classifier
    from striate.data.lineup import line_up
    from striate.data.preparing.ahead import decoded_blocks

    model, lineup = Classifier.load(model_path), line_up([str(folder)], {})
    found: dict[str, list[float]] = {"decode": [], "predict": []}
    for run in range(runs + 1):
        start = time.perf_counter()
        with closing(
            decoded_blocks(lineup, range(len(lineup)), decoded_shape(model), model.images_at_once())
        ) as blocks:
            images = sum(len(block.rows) for block in blocks)
        middle = time.perf_counter()
        predict_lineup(model, lineup, BulkRequest(path=scratch / f"{run}.csv"))
        end = time.perf_counter()
        if run:  # the first one warms up the disk
            found["decode"].append(images / (middle - start))
            found["predict"].append(images / (end - middle))
    return found


def memory_mb(model: Path, folder: Path, count: int, scratch: Path) -> float:
    """Return the peak of memory of predicting so many files, in MB."""
    originals = [entry.path for entry in os.scandir(folder) if entry.is_file()]
    many = scratch / f"links-{count}"
    many.mkdir()
    for i in range(count):
        os.symlink(originals[i % len(originals)], many / f"{i:07}{os.path.splitext(originals[0])[1]}")
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    words = [*COMMAND, str(model), str(many), "--csv", str(scratch / f"{count}.csv")]
    told = subprocess.check_output([sys.executable, "-c", code, *words], text=True)
    return int(told) * (1 if sys.platform == "darwin" else 1024) / 1e6


def killed(model: Path, folder: Path, kills: int, out: Path, seed: int = 0) -> dict[str, Any]:
    """Return what comes of a command that is killed so often, each time after it has written something."""
    rng, rows_at = random.Random(seed), []
    part = out.with_name(out.name + ".part")
    images = sum(entry.is_file() for entry in os.scandir(folder))
    for _ in range(kills):
        before = part.stat().st_size if part.exists() else 0
        with subprocess.Popen([*COMMAND, str(model), str(folder), "--csv", str(out)], stderr=subprocess.DEVNULL) as one:
            grown = rng.uniform(0.2, 1.0) * images / kills * 100  # bytes, about a hundred for a row
            while one.poll() is None and (part.stat().st_size if part.exists() else 0) < before + grown:
                time.sleep(0.001)
            one.send_signal(signal.SIGKILL)
        if one.returncode != -signal.SIGKILL:
            break
        rows_at.append(part.read_bytes().count(b"\n") - 1)
    subprocess.run([*COMMAND, str(model), str(folder), "--csv", str(out)], check=True, stderr=subprocess.DEVNULL)
    with out.open(newline="") as file:
        names = [row["image"] for row in csv.DictReader(file)]
    wanted = sorted(entry.path for entry in os.scandir(folder) if entry.is_file())
    return {"kills": len(rows_at), "rows_when_killed": rows_at, "each_once": names == wanted}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a .striate file")
    parser.add_argument("--folder", type=Path, required=True, help="a folder of image files, in no folders below")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--memory", type=int, nargs="*", default=[], help="numbers of files")
    options = parser.parse_args()
    result: dict[str, Any] = {"model": options.model.name, "folder": options.folder.name}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        if options.runs:
            found = rates(options.model, options.folder, options.runs, scratch)
            shares = [p / d for d, p in zip(found["decode"], found["predict"], strict=True)]
            result |= {"images_per_s": {name: summary(values) for name, values in found.items()}}
            result |= {"share_of_decoding": summary(shares)}
        if options.memory:
            for count in options.memory:
                peaks = [memory_mb(options.model, options.folder, count, scratch)]
                result.setdefault("peak_memory_mb", {})[f"{count} files"] = summary(peaks)
        if options.kills:
            result |= killed(options.model, options.folder, options.kills, scratch / "killed.csv")
    write("predicting", result, "files in the disk's cache; listing them is not in the rates, all is in the command")


if __name__ == "__main__":
    main()
