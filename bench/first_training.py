"""What the main job reaches on published data, by the command that a user types: accuracy and seconds.

    cifar10   [conv-bn-relu-conv-bn-relu-pool]×3 + fc, Adam, batch 128, 3 epochs, from the published archive
    digits    the CNN of "Identify the digits" from CSV and PNG, 70:30, seed 128: its validation part
    fashion   the auto net on Fashion-MNIST's IDX files, 5 epochs

Needs a folder of published data sets: --data-dir or STRIATE_DATA. Settings were chosen on validation images; the test
accuracy is that of the finished run.
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
PATTERN = "[conv(32,3,pad=1) bn relu conv(32,3,pad=1) bn relu maxpool(2)]*3 fc(10)"
DIGITS = "conv(25, 5) relu maxpool(2) conv(25, 5) relu maxpool(2) conv(25, 4) relu fc(10)"


def commands(folder: Path) -> dict[str, list[str]]:
    digits = folder / "identify-the-digits" / "Train"
    return {
        "cifar10": [str(folder / "cifar-10-python.tar.gz"), "--net", PATTERN, "--epochs", "3", "--batch-size", "128"],
        "digits": [
            str(digits / "train.csv"), "--images", str(digits / "Images" / "train"), "--split", "70:30", "--net", DIGITS
        ],
        "fashion": [str(folder / "fashion-mnist"), "--epochs", "5"],
    }  # fmt: skip


def once(words: list[str], seed: int) -> dict:
    with tempfile.TemporaryDirectory() as out:
        command = [STRIATE, "train", *words, "--seed", str(seed), "--out", f"{out}/run", "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["cifar10", "digits", "fashion"])
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    if not options.data_dir:
        sys.exit("name the folder of published data sets with --data-dir or STRIATE_DATA")
    for name in options.names:
        words = commands(Path(options.data_dir))[name]
        rows = [once(words, seed) for seed in options.seeds]
        figures = ("valid_accuracy", "test_accuracy", "train_s")
        timed = {key: summary([row[key] for row in rows]) for key in figures if rows[0][key] is not None}
        write(
            f"first_training_{name}",
            {
                "command": [word.replace(options.data_dir, "DATA") for word in words[1:]],
                "seeds": options.seeds,
                **timed,
            },
            "train_s is the training loop, validation after each epoch included",
        )


if __name__ == "__main__":
    main()
