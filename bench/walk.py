"""Walkthroughs in Chromium: how large a page is, how near to torch its numbers for two pictures, how long it computes.

Models with two pictures of their own (--walk MODEL PICTURE OTHER), and zoo nets with first weights and noise (--nets).
Every value of every layer that the page computes is compared, for the picture that it was written for and for another.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import striate
from bench.record import write
from striate.classifier.classifier import Classifier
from striate.classifier.preprocessing import Preprocessing
from striate.explanation.walk.check import largest, torch_values
from striate.explanation.walk.page import write_walkthrough
from striate.explanation.walk.steps import model_steps
from striate.nets import ZOO, make_module

VALUES = """async (index) => {
  const values = await walk.values(index), bytes = new Uint8Array(values.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}"""


def untrained(name: str) -> Classifier:
    net, (c, h, w) = ZOO[name].net(), ZOO[name].input_shape
    module = make_module(net, (c, h, w), seed=0).eval()
    with torch.no_grad():  # an untrained swift's filters are ones and zeros, which no rounding touches
        for value in module.parameters():
            value += 0.01 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1))
    preprocessing = Preprocessing((h, w), c, "crop", np.full(c, 120, np.float32), np.full(c, 60, np.float32))
    return Classifier(tuple(map(str, range(net.output_shape((c, h, w))[0]))), preprocessing, net, module)


def measured(browser: Any, model: Classifier, first: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Write a page about the first picture, open it, and compare what it computes of both with torch."""
    import base64

    steps = model_steps(model)
    with tempfile.TemporaryDirectory() as folder:
        found = write_walkthrough(model, first, Path(folder) / "walk.html")
        page = browser.new_page()
        page.goto(f"file://{folder}/walk.html")
        page.evaluate("walk.ready")
        computed = [i for i in range(len(steps)) if not page.evaluate(f"walk.isKept({i})")]
        seconds, shares = [], []
        for pixels in (first, other):
            page.evaluate("(x) => walk.setPixels(Uint8ClampedArray.from(x))", pixels.ravel().tolist())
            page.evaluate("walk.idle()")
            seconds.append(page.evaluate("walk.ms") / 1000)
            expected = torch_values(model, pixels, steps)
            own = (np.frombuffer(base64.b64decode(page.evaluate(VALUES, i)), np.float32) for i in computed)
            differences = (
                np.abs(a - expected[i].ravel()).max() / largest(expected[i]) for i, a in zip(computed, own, strict=True)
            )
            shares.append(float(max(differences)))
        page.close()
    return {
        "megabytes": round(found.size_bytes / 1e6, 2), "layers_computed": found.computed, "layers_kept": found.kept,
        "layers_absent": found.absent, "followed": len(computed), "difference": f"{shares[0]:.1e}",
        "difference_other_picture": f"{shares[1]:.1e}", "computing_s": round(min(seconds), 3),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walk", nargs=3, action="append", default=[], metavar=("MODEL", "PICTURE", "OTHER"))
    parser.add_argument("--nets", nargs="*", default=["swift_m", "lenet", "alexnet", "resnet18", "vgg16"])
    asked = parser.parse_args()
    from playwright.sync_api import sync_playwright

    rows = {}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for path, picture, other in asked.walk:
            model = striate.Classifier.load(path)
            rows[Path(path).stem] = measured(browser, model, *model.block([picture, other], 0, 2))
        for name in asked.nets:
            model = untrained(name)
            c, h, w = model.preprocessing.input_shape
            rows[f"{name}, untrained"] = measured(
                browser, model, *np.random.default_rng(0).integers(0, 256, (2, h, w, c), np.uint8)
            )
    write("walk", {"walkthroughs": rows}, "computing_s: all computed layers for one picture, the quicker of two")


if __name__ == "__main__":
    main()
