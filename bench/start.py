"""How long the command line takes to answer, and what a short run takes beside its steps: whole processes."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.record import summary, write

STRIATE = str(Path(sys.executable).parent / "striate")
SHORT = [STRIATE, "train", "digits", "--net", "swift", "--epochs", "5", "--out"]
COMMANDS = {
    "python_nothing_s": [sys.executable, "-c", "pass"],
    "import_striate_s": [sys.executable, "-c", "import striate"],
    "help_s": [STRIATE, "--help"],
    "train_help_s": [STRIATE, "train", "--help"],
    "net_resnet50_s": [STRIATE, "net", "resnet50"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def short_run() -> dict[str, float]:
    """Return the seconds of a short run from call to exit, of its epochs, validation included, and of all the rest."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        whole_s = seconds([*SHORT, str(run)])
        epochs_s = json.loads((run / "result.json").read_text("utf-8"))["train_s"]
        predict_s = seconds([STRIATE, "predict", str(run / "model.striate"), _image(folder)])
    return {"short_run_s": whole_s, "its_epochs_s": epochs_s, "its_rest_s": whole_s - epochs_s, "predict_s": predict_s}


def _image(folder: str) -> str:
    from PIL import Image

    Image.new("L", (8, 8), 128).save(path := str(Path(folder, "one.png")))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    result = {}
    for name, command in COMMANDS.items():
        seconds(command)
        result[name] = summary([seconds(command) for _ in range(runs)])
    short_run()  # measures the precisions, which are then remembered
    short = [short_run() for _ in range(runs)]
    result |= {name: summary([one[name] for one in short]) for name in short[0]}
    write("start", result, "a whole process, from its start to its end; epochs by the run's own clock")


if __name__ == "__main__":
    main()
