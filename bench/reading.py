"""How fast sources are read and prepared, and the peak memory, each in a fresh process with an empty cache.

Needs a folder of published data sets: --data-dir or STRIATE_DATA. The clock starts after the imports.
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

CODE = """
import json, resource, sys, time
import striate, striate.data.preparing.prepare, striate.data.reading
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
start = time.perf_counter()
catalog = striate.read(sys.argv[1], images=sys.argv[2] or None)
read_s = time.perf_counter() - start
images = striate.prepare(catalog)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"read_s": read_s, "ready_s": time.perf_counter() - start, "images": len(images),
    "arrays_bytes": int(images.pixels.nbytes), "peak_above_start_bytes": peak - base}))
"""


def once(source: Path, images: Path | None, cache: str) -> dict:
    words = [sys.executable, "-c", CODE, str(source), str(images or "")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, "STRIATE_CACHE": cache})
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", default=os.environ.get("STRIATE_DATA"))
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if not options.data_dir:
        print("reading: skipped, because neither --data-dir nor STRIATE_DATA names the published data sets")
        return
    folder = Path(options.data_dir)
    digits = folder / "identify-the-digits" / "Train"
    sources = {
        "cifar10_archive": (folder / "cifar-10-python.tar.gz", None),
        "cifar10_folder": (folder / "cifar-10-batches-py", None),
        "fashion_idx": (folder / "fashion-mnist", None),
        "digits_csv_png": (digits / "train.csv", digits / "Images" / "train"),
    }
    result = {}
    for name, (source, images) in sources.items():
        if not source.exists():
            continue
        rows = []
        for _ in range(options.runs):
            with tempfile.TemporaryDirectory() as cache:
                rows.append(once(source, images, cache))
        timed = {key: summary([row[key] for row in rows]) for key in ("read_s", "ready_s", "peak_above_start_bytes")}
        result[name] = {"images": rows[0]["images"], "arrays_bytes": rows[0]["arrays_bytes"], **timed}
    write("reading", {"sources": result}, "from the source to arrays in an empty cache, after the imports")


if __name__ == "__main__":
    main()
