"""Whether an exported model answers as the model does: on validation and test images, at native sizes, in a browser.

Each model is exported, and the graph judges the same validation and test images, split as in its training; the images
of a folder are compared once more at the sizes that they have. With `--int8` eight bits are tried, with `--page` the
page is opened from its file by Chromium without a network, where it checks itself on the golden images.

    python -m bench export --page --int8 swift.striate=cifar10 mobilenet.striate=trashnet/ lenet.striate=digits
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "3000")  # as the command line does, before torch is imported

import numpy as np

from bench.record import write
from striate.classifier.classifier import Classifier
from striate.classifier.unseen import HeldOut
from striate.data.dataset import DataOptions, make_dataset
from striate.data.imageset import ImageSet
from striate.data.reading import read
from striate.data.splitting import split
from striate.errors import ArgumentError
from striate.observer import Observer
from striate.shipping.export import ExportOptions, export_model
from striate.shipping.int8 import Int8Trial, try_int8
from striate.shipping.onnx.model import make_onnx
from striate.shipping.runtime import OnnxSession
from striate.shipping.verify import ask, verify_catalog, verify_golden

AT_ONCE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL=SOURCE", help="a model and what it was trained on")
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--name", default="export")
    options = parser.parse_args()
    rows = {}
    for pair in options.models:
        path, _, source = pair.partition("=")
        rows[Path(path).stem] = judge(Path(path), source, options)
        print(Path(path).stem, rows[Path(path).stem], flush=True)
    write(options.name, {"models": rows}, "none but of eight bits")


def judge(path: Path, source: str, options: Any) -> dict[str, Any]:
    """Return the figures of one model."""
    model = Classifier.load(path)
    made = make_onnx(model)[0].SerializeToString()
    session = OnnxSession(made)
    golden = verify_golden(model, session.predict)
    figures: dict[str, Any] = {"graph_mb": len(made) / 1e6, "golden_difference": golden.largest_difference}
    catalog = read(source)
    if valid := validation_images(model, source):
        figures |= compared(model, session, valid, valid.labels, "valid")
    held = model.held_out(catalog)
    figures |= compared(model, session, held.images, held.labels, "test")
    if not isinstance(catalog.images, np.ndarray):
        row = verify_catalog(model, session.predict, catalog).rows[0]
        figures |= {
            "photographs": row.images,
            "photographs_same_class": row.top1,
            "photographs_difference": row.largest,
        }
    if options.page:
        figures |= opened(model)
    if options.int8 and (trial := tried(model, made, held)):
        figures |= {
            "int8_points": 100 * trial.comparison.difference, "int8_mb": trial.after_bytes / 1e6,
            "int8_speedup_at_1": trial.timings[0].speedup, "int8_speedup_at_32": trial.timings[1].speedup,
            "int8_kept": int(trial.kept),
        }  # fmt: skip
    return figures


def tried(model: Classifier, made: bytes, held: HeldOut) -> Int8Trial | None:
    """Return how a graph fares in eight bits; None of a model that has nothing to compute in them."""
    try:
        trial = try_int8(model, made, held)[1]
    except ArgumentError as error:
        print(error, flush=True)
        return None
    print(trial.say(), flush=True)
    return trial


def validation_images(model: Classifier, source: str) -> ImageSet | None:
    """Return the images that validated in its training, split again as then; None where that cannot be done."""
    asked = DataOptions()
    images = make_dataset(source, asked, 0, Observer()).images
    if images.image_shape[:2] != model.preprocessing.size:
        return None  # split by the digests of other pixels
    seed = int((model.provenance.recipe or {}).get("seed", model.provenance.seed or 0))
    splits = split(images, asked.shares(), seed)
    return splits.valid if len(splits.valid) == (model.provenance.splits or {}).get("valid") else None


def compared(
    model: Classifier, session: OnnxSession, images: ImageSet, labels: np.ndarray, name: str
) -> dict[str, Any]:
    """Return how many of some images the model and its graph get right, and how far they are apart."""
    right, largest, began = np.zeros(2, int), 0.0, time.perf_counter()
    for start in range(0, len(images), AT_ONCE):
        stop = min(start + AT_ONCE, len(images))
        block = model.block(images, start, stop)
        both = [ask(model, block).probabilities, session.predict_batches(block, 32).probabilities]
        right += [int((one.argmax(1) == labels[start:stop]).sum()) for one in both]
        largest = max(largest, float(np.abs(both[0] - both[1]).max()))
    print(f"{name}: {len(images):,} images in {time.perf_counter() - began:.0f} s", flush=True)
    return {
        f"{name}_images": len(images), f"{name}_right": int(right[0]), f"{name}_right_onnx": int(right[1]),
        f"{name}_difference": largest,
    }  # fmt: skip


def opened(model: Classifier) -> dict[str, Any]:
    """Return what the page says of itself in Chromium without a network, and how large it is."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        path = Path(folder) / "app.html"
        try:
            size = export_model(model, path, ExportOptions()).size_bytes
        except ArgumentError as error:
            print(error, flush=True)
            return {"page_refused": 1}
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_context(offline=True).new_page()
        began = time.perf_counter()
        tab.goto(path.as_uri())
        tab.wait_for_selector("html[data-ready=yes]", state="attached", timeout=120_000)
        seconds, said = time.perf_counter() - began, tab.inner_text("#state")
        browser.close()
    found = re.match(r"(\d+) of (\d+) golden .* difference ([\d.]+)", said)
    assert found, said
    return {
        "page_mb": size / 1e6, "page_ready_s": seconds, "page_golden": int(found[2]), "page_alike": int(found[1]),
        "page_difference": float(found[3]),
    }  # fmt: skip


if __name__ == "__main__":
    main()
