"""What `striate tune` finds on the digits of the published problem within a minute, beside the default net.

Needs a folder of published data sets: --data-dir or STRIATE_DATA. The accuracies are on validation images; the test
accuracy is that of the best trial, measured once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.record import summary, write

STRIATE = str(Path(sys.executable).parent / "striate")


def once(table: Path, budget: str, seed: int) -> dict:
    with tempfile.TemporaryDirectory() as out:
        source = [str(table), "--images", str(table.parent / "Images" / "train")]
        command = [STRIATE, "tune", *source, "--budget", budget, "--seed", str(seed), "--out", f"{out}/study", "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    if not options.data_dir:
        sys.exit("name the folder of published data sets with --data-dir or STRIATE_DATA")
    table = Path(options.data_dir) / "identify-the-digits" / "Train" / "train.csv"
    rows = [once(table, options.budget, seed) for seed in options.seeds]
    figures = ("baseline_accuracy", "valid_accuracy", "test_accuracy")
    found = {key: summary([row[key] for row in rows]) for key in figures}
    trials = [len(row["trials"]) for row in rows]
    write(
        "tuning_digits",
        {"budget": options.budget, "trials": trials, "nets": [row["net"] for row in rows], **found},
        "the budget includes reading and preparing the images",
    )


if __name__ == "__main__":
    main()
